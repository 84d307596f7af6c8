"""One asset: its alarms, its trend, its sensors, its history, and what a person can do about it."""

from datetime import timedelta

from iot_edge_anomaly.alarms.feedback import CALIBRATED
from iot_edge_anomaly.console.alarms.acts import AlarmActs
from iot_edge_anomaly.console.alarms.cards import AlarmCards
from iot_edge_anomaly.console.alarms.history import AlarmHistory, AlarmsThen
from iot_edge_anomaly.console.assets.acts import AssetActs
from iot_edge_anomaly.console.assets.alarms import AssetAlarms
from iot_edge_anomaly.console.assets.drifts import AssetDrifts
from iot_edge_anomaly.console.assets.export import AssetExport
from iot_edge_anomaly.console.assets.places import above, place_of
from iot_edge_anomaly.console.assets.promise import AssetPromise
from iot_edge_anomaly.console.assets.search import AssetSearch, assets_address
from iot_edge_anomaly.console.assets.sensor_table import SensorTable
from iot_edge_anomaly.console.assets.trend import AssetTrend
from iot_edge_anomaly.console.board import Line
from iot_edge_anomaly.console.elements import box, button, link, set_classes, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.words import CONDITION_WORDS, Condition, learning
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.security.principal import Permission

NEWEST = timedelta(minutes=2)


class AssetPane:
    """Everything about one asset, as `settings` were when it was made."""

    def __init__(self, visit: Visit, key: AssetKey) -> None:
        self._visit, self._key = visit, key
        self.settings = visit.console.view.settings(key)
        self._may_operate = visit.who.may(Permission.OPERATE, key.tenant)
        self._reads = AssetAlarms(visit, key)
        with box("pane", "section") as pane:
            pane.props["aria-label"] = key.asset
            acts = AssetActs(visit, key, self.settings)
            self._header(acts, AssetExport(key) if visit.console.exports else None)
            self._alarms = AlarmCards(visit, AlarmActs(visit), self.settings)
            self._then = AlarmsThen()
            self._drifts = AssetDrifts(visit, key)
            self._promise = AssetPromise(visit, key)
            with box("waiting") as self._waiting:
                self._waiting_text = text("p")
                with box("progress"):
                    self._bar = box("bar")
            show(self._waiting, False)
            self._trend = AssetTrend(visit, key, self.settings)
            may_configure = visit.who.may(Permission.CONFIGURE, key.tenant)
            limits = acts.ask_limits if may_configure else None
            self._sensors = SensorTable(self.settings, self._trend.choose, limits)
            self._history = AlarmHistory(key)

    def _header(self, acts: AssetActs, export: AssetExport | None) -> None:
        place = place_of(self._key)
        with box("heading", "header"):
            link("‹ All assets", "/assets", "back")
            with box("title"):
                with box("place", "nav").props('aria-label="Place"'):
                    for path in above(place):
                        link(path.rpartition("/")[2], assets_address(AssetSearch(under=path)))
                with box("line"):
                    text("h1", self._key.asset.rpartition("/")[2])
                    self._state = text("span", "", "state")
            with box("buttons"):
                if export is not None:
                    button("Export…", export.ask, hint="What came in and what was concluded, as a file")
                if self._may_operate:
                    hint = "Somebody works on the asset: no alarms, nothing learned"
                    self._start = button("Maintenance…", acts.ask_maintenance, hint=hint)
                    self._end = button("End maintenance", acts.end_maintenance)
                    show(self._end, False)
                    button("New normal…", acts.ask_new_normal, hint="What it does now is normal: let it learn anew")

    async def update(self, line: Line | None, now_ns: int) -> None:
        """Show the asset as it is now; None: nothing is known of it."""
        newest = self._visit.console.view.trend(self._key, NEWEST)
        if line is None:
            show(self._waiting, True)
            self._waiting_text.text = (
                f"Nothing has come in from {self._key} yet. It appears here with its first reading."
            )
        else:
            self._show_state(line)
            await self._alarms.update(line.asset.alarms, now_ns)
        self._trend.areas = await self._reads.areas(*self._trend.ends) if self._trend.ends[1] else ()
        level = None if line is None else line.asset.alarm_level
        self._trend.level = CALIBRATED if level is None else level.score
        await self._trend.update(newest, now_ns)
        if newest is not None and len(newest.times):
            self._sensors.update(newest, self._trend.shown)
        self._then.update(await self._reads.at(at) if (at := self._trend.looked.at_ns) is not None else [])
        await self._drifts.update(now_ns)
        await self._promise.update(level)
        self._history.update(await self._reads.latest(), self._reads.problem, now_ns)

    def _show_state(self, line: Line) -> None:
        set_classes(self._state, f"state badge {line.condition} {line.priority or ''}")
        self._state.text = CONDITION_WORDS[line.condition]
        if self._may_operate:
            show(self._start, line.condition is not Condition.MAINTENANCE)
            show(self._end, line.condition is Condition.MAINTENANCE)
        is_learning = line.asset.phase is not Phase.CALIBRATED
        show(self._waiting, is_learning)
        if is_learning:
            self._waiting_text.text = (
                f"{learning(line.asset, self.settings)}. Limits work already; learned alarms come after that."
            )
            self._bar.style(f"width: {line.asset.progress:.0%}")
