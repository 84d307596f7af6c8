"""The trend of one asset: live, or any time of its past; what is zoomed into is read more finely."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from nicegui import ui

from iot_edge_anomaly.alarms.feedback import CALIBRATED
from iot_edge_anomaly.console.assets.looked import SPANS, Looked, looked_address, looked_at
from iot_edge_anomaly.console.assets.past import Past
from iot_edge_anomaly.console.assets.rows import between, thin_for, thin_live, with_detail, without_seam
from iot_edge_anomaly.console.elements import box, button, set_prop, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.trend.chart import LIMITS, Area, Look, Shown, chart, height
from iot_edge_anomaly.console.trend.heat import heat_sensors
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.console.words import figure, sensor_title, sensor_unit
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.stretch import Stretch
from iot_edge_anomaly.pipeline.settings import AssetSettings, sensor_settings

MOST_SENSORS = 4
POINTS, COARSE, LIVE_POINTS = 1_500, 400, 300
FASTEST_NS, SLOWEST_NS, STILL_NS = 900_000_000, 5_000_000_000, 30_000_000_000
WHOLE, END = 0.5, 99.5
"""Percent of the span: a zoom that leaves out less is none; one that reaches so far stays live."""

_ZOOMED = """e => {
    const chart = getElement(%(id)s).chart, zoom = chart.getOption().dataZoom[0];
    emit([zoom.start, zoom.end]);
}"""
_DRAG_ZOOMS = """() => {
    const chart = getElement(%(id)s).chart;
    if (chart.dragZooms || !matchMedia('(pointer: fine)').matches) return;
    chart.dragZooms = true;
    chart.dispatchAction({type: 'takeGlobalCursor', key: 'dataZoomSelect', dataZoomSelectActive: true});
}"""
NO_HISTORY = "What is in memory: there is no history here. It comes with: pip install 'iot-edge-anomaly[history]'"


class AssetTrend:
    """The chart, and what chooses its time. `sensors` are those a person chose; none: the one that is odd.

    `areas` and `level`, what the score has to pass for an alarm, are for the page to set.
    """

    def __init__(self, visit: Visit, key: AssetKey, settings: AssetSettings) -> None:
        self._visit, self._key, self._settings = visit, key, settings
        self._looked = looked_at(visit.request.query_params)
        self._past = Past(visit.console.history, visit.console.recall, key)
        self._chosen: list[str] = []
        self._shown: tuple[str, ...] = ()
        self._drawn: object = None
        self._drawn_ns = 0
        self._ends = (0, 0)
        self._zoom: tuple[int, int] | None = None
        self._fine: Stretch | None = None
        self._is_held = False
        self._newest_ns = 0
        self.areas: tuple[Area, ...] = ()
        self.level = CALIBRATED
        with box("card trend", "section").props('aria-label="Trend"'):
            self._make_tools()
            self._note = text("p", "", "hint note").props("role=status")
            self._box = box("chart-box")

    @property
    def shown(self) -> tuple[str, ...]:
        """The sensors on the chart."""
        return self._shown

    @property
    def looked(self) -> Looked:
        """Which time is looked at."""
        return self._looked

    @property
    def ends(self) -> tuple[int, int]:
        """The first and the last time on the chart."""
        return self._ends

    def choose(self, sensor: str) -> None:
        """Put a sensor on the chart, or take it off; with too many the one that was chosen first goes."""
        if sensor in self._chosen:
            self._chosen.remove(sensor)
        else:
            self._chosen = [*self._chosen, sensor][-MOST_SENSORS:]
        self._drawn_ns = 0

    async def update(self, live: Stretch | None, now_ns: int) -> None:
        """Show the rows of the time that is looked at; `live` are the newest ones."""
        self._newest_ns = int(live.times[-1]) if live is not None and len(live.times) else now_ns
        if self._drawn_ns and now_ns - self._drawn_ns < self._pace_ns():
            return
        self._drawn_ns = now_ns
        if not self._is_held:
            self._ends = self._looked.ends(self._newest_ns)
        await self._draw(now_ns)

    def _pace_ns(self) -> int:
        """Return how soon the chart is drawn again: what does not move, seldom."""
        if self._is_held or self._looked.at_ns is not None:
            return STILL_NS
        return min(max(self._looked.length_ns // 1_000, FASTEST_NS), SLOWEST_NS)

    async def _draw(self, now_ns: int) -> None:
        since_ns, until_ns = self._ends
        view = self._visit.console.view.trend(self._key, timedelta(microseconds=(self._newest_ns - since_ns) // 1_000))
        live = view if view is not None and len(view.times) else None
        live_since_ns = int(live.times[0]) if live is not None else now_ns
        await self._past.read(since_ns, until_ns, live_since_ns, now_ns)
        rows = without_seam(self._past.rows, live)
        rows = None if rows is None else between(rows, since_ns, until_ns)
        is_empty = rows is None or not len(rows.times)
        self._tell(is_empty=is_empty, lacks=since_ns < live_since_ns and self._past.history is None)
        show(self._box, not is_empty)
        if rows is None or is_empty:
            return
        self._shown = self._sensors(rows, view)
        await self._show(self._thinned(rows, live))

    def _thinned(self, rows: Stretch, live: Stretch | None) -> Stretch:
        if self._zoom is None:
            is_short = self._looked.span == "2m" and self._looked.at_ns is None
            return thin_live(rows, LIVE_POINTS) if is_short else thin_for(rows, self._shown, POINTS)
        fine = without_seam(self._fine, live)
        within = between(rows if fine is None else fine, *self._zoom)
        return with_detail(thin_for(rows, self._shown, COARSE), thin_for(within, self._shown, POINTS))

    async def _show(self, rows: Stretch) -> None:
        looks = tuple(self._look(sensor) for sensor in self._shown)
        titles = {sensor: sensor_title(self._settings, sensor) for sensor in rows.sensors}
        heat = heat_sensors(rows)
        options = chart(Shown(rows, looks, *self._ends, self.areas, titles, self.level))
        layout = (self._shown, heat, self._looked)
        if layout != self._drawn:
            self._make_chart(options, height(len(looks), len(heat)))
            self._drawn = layout
        else:
            self._chart.options.clear()
            self._chart.options.update(options)
            self._chart.update()
        names = " and ".join(look.title for look in looks)
        set_prop(self._chart, "aria-label", f"Score and {names}, {_span_words(self._ends)}; figures in the table below")

    def _make_chart(self, options: dict[str, object], pixels: int) -> None:
        self._box.clear()
        with self._box:
            self._chart = ui.echart(options).classes("chart").style(f"height: {pixels}px")
        self._chart.props["role"] = "img"
        self._chart.on(
            "chart:datazoom",
            lambda event: self._on_zoom(*event.args),
            js_handler=_ZOOMED % {"id": self._chart.id},
            throttle=0.3,
            leading_events=False,
        )
        self._chart.on("chart:finished", js_handler=_DRAG_ZOOMS % {"id": self._chart.id})

    def _look(self, sensor: str) -> Look:
        title, unit = sensor_title(self._settings, sensor), sensor_unit(self._settings, sensor)
        known = sensor_settings(self._settings, sensor)
        limits = [(kind, value) for kind, name in LIMITS if (value := getattr(known, name)) is not None]
        lines = tuple((f"{kind} {figure(value)}", value) for kind, value in limits)
        return Look(sensor, f"{title}, {unit}" if unit else title, lines)

    def _sensors(self, rows: Stretch, live: Stretch | None) -> tuple[str, ...]:
        """Return the chosen sensors; else the one that contributes most to an alarm; else the one that is there."""
        chosen = tuple(sensor for sensor in self._chosen if sensor in rows.sensors)
        if chosen:
            return chosen
        is_odd = float(np.nanmax(rows.score)) > 1.0 if self._looked.at_ns is not None else _is_odd(live)
        if self._shown and not self._chosen and self._shown[0] in rows.sensors and not is_odd:
            return self._shown[:1]
        if live is not None and self._looked.at_ns is None:
            return (live.sensors[int(np.argmax(np.nan_to_num(live.contributions[-1])))],)
        most = np.nan_to_num(rows.contributions).max(axis=0)
        return (rows.sensors[int(np.argmax(most))],)

    async def _on_zoom(self, start: float, end: float) -> None:
        since_ns, until_ns = self._ends
        length = until_ns - since_ns
        if start < WHOLE and end > END:
            self._zoom, self._fine, self._is_held = None, None, False
        else:
            zoom = (since_ns + int(length * start / 100), since_ns + int(length * end / 100))
            self._zoom, self._is_held = zoom, end < END or self._looked.at_ns is not None
            fine = await self._past.between(zoom[0], zoom[1] + 1)
            if self._zoom != zoom:
                return
            self._fine = fine
        self._mark_tools()
        await self._draw(self._visit.now_ns())

    def _tell(self, *, is_empty: bool, lacks: bool) -> None:
        said = [self._past.problem] if self._past.problem else []
        said += [NO_HISTORY] if lacks else []
        said += ["No rows of this time."] if is_empty else []
        said += [_span_words(self._ends)] if self._is_held or self._looked.at_ns is not None else []
        self._note.text = " ".join(said)
        show(self._note, bool(said))

    def _make_tools(self) -> None:
        with box("tools").props('role=group aria-label="Time shown"'):
            self._live = button("Live", self._on_live, "small", "The newest rows, as they come")
            self._spans = {name: self._span_button(name) for name in SPANS}
            button("‹ Earlier", lambda: self._on_shift(-1), "small")
            self._later = button("Later ›", lambda: self._on_shift(1), "small")
            self._whole = button("Whole span", self._on_whole, "small", "Leave the zoom")
        hint = "Drag over the chart to zoom, or move the ends of the bar below it; Ctrl and wheel works too."
        text("p", hint, "hint fine-pointer")
        self._mark_tools()

    def _span_button(self, name: str) -> ui.element:
        return button(SPANS[name][0], lambda: self._look_at(self._looked._replace(span=name)), "small")

    def _mark_tools(self) -> None:
        for name, one in self._spans.items():
            set_prop(one, "aria-pressed", str(name == self._looked.span).lower())
        is_live = self._looked.at_ns is None and not self._is_held
        set_prop(self._live, "aria-pressed", str(is_live).lower())
        show(self._later, self._looked.at_ns is not None)
        show(self._whole, self._zoom is not None)

    def _on_live(self) -> None:
        self._look_at(self._looked._replace(at_ns=None))

    def _on_shift(self, parts: int) -> None:
        self._look_at(self._looked.shifted(parts, self._newest_ns))

    def _on_whole(self) -> None:
        self._look_at(self._looked)

    def _look_at(self, looked: Looked) -> None:
        """Show another time; the address says so, and can be shared."""
        self._looked, self._zoom, self._fine, self._is_held = looked, None, None, False
        self._drawn, self._drawn_ns = None, 0
        self._past.forget()
        self._mark_tools()
        ui.navigate.history.replace(looked_address(self._key, looked))


def _is_odd(live: Stretch | None) -> bool:
    return live is not None and bool(live.score[-1] > 1.0)


def _span_words(ends: Sequence[int]) -> str:
    return f"{full_moment(ends[0])} to {full_moment(ends[1])}"
