"""Open alarms of one asset: why, how sure, which sensors, what was like it, and what a person can do about it."""

from collections.abc import Sequence

from iot_edge_anomaly.console.alarms.acts import AlarmActs
from iot_edge_anomaly.console.alarms.replay import ReplayButton
from iot_edge_anomaly.console.alarms.search import alarm_address
from iot_edge_anomaly.console.alarms.shares import shares
from iot_edge_anomaly.console.assets.similar import SimilarAlarms
from iot_edge_anomaly.console.elements import box, button, link, set_classes, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import moment
from iot_edge_anomaly.console.words import NS, STATE_WORDS, duration, sentence
from iot_edge_anomaly.core.outcomes import AlarmState, Priority
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.views.plant import AlarmView

MOST_BARS = 5
_ORDER = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


class AlarmCards:
    """A card an open alarm, the most urgent first."""

    def __init__(self, visit: Visit, acts: AlarmActs, settings: AssetSettings) -> None:
        self._visit, self._acts, self._settings = visit, acts, settings
        self._cards: dict[str, _Card] = {}
        self._box = box("alarms", "section").props('aria-label="Open alarms" aria-live=polite')

    async def update(self, alarms: Sequence[AlarmView], now_ns: int) -> None:
        """Show these alarms as they are now."""
        for gone in self._cards.keys() - {alarm.raised.alarm_id for alarm in alarms}:
            self._cards.pop(gone).remove()
        for alarm in sorted(alarms, key=lambda one: (_ORDER.index(one.raised.priority), one.raised.time_ns)):
            if alarm.raised.alarm_id not in self._cards:
                with self._box:
                    self._cards[alarm.raised.alarm_id] = _Card(alarm, self._visit, self._acts, self._settings)
            self._cards[alarm.raised.alarm_id].update(alarm, now_ns)
        for card in list(self._cards.values()):
            await card.similar.read()


class _Card:
    def __init__(self, alarm: AlarmView, visit: Visit, acts: AlarmActs, settings: AssetSettings) -> None:
        self._alarm = alarm
        self._acts = acts
        self._may_act = acts.may_act(alarm)
        raised = alarm.raised
        with box("alarm", "article") as self._box:
            with box("line"):
                text("span", raised.priority, f"priority {raised.priority}")
                self._state = text("span", "", "state")
                self._since = text("span", "", "since").props("aria-live=off")
            text("h3", sentence(raised.reason))
            if raised.contributors:
                shares(raised.contributors[:MOST_BARS], settings)
            if self._may_act:
                self._buttons()
            self.similar = SimilarAlarms(visit, alarm)
            with box("line foot"):
                ReplayButton(visit, alarm)
                link("All about this alarm", alarm_address(raised.alarm_id), "to-alarm")

    def _buttons(self) -> None:
        with box("buttons"):
            self._acknowledge = button("Acknowledge", self._on_acknowledge, "primary")
            self._shelve = button("Shelve…", self._on_shelve, hint="Put it out of sight for a while")
            self._unshelve = button("Unshelve", self._on_unshelve, hint="Bring it back into sight")
            with box("verdict").props('role=group aria-label="Was this alarm right?"'):
                text("span", "Was it right?", "hint")
                button("Right", self._on_right, "small", "There was something wrong with the asset")
                button("Wrong", self._on_wrong, "small", "A false alarm")

    def update(self, alarm: AlarmView, now_ns: int) -> None:
        state = alarm.latest.after
        self._alarm = alarm
        set_classes(self._box, f"alarm {state} {alarm.raised.priority}")
        self._state.text = STATE_WORDS[state]
        started = alarm.raised.time_ns
        self._since.text = f"since {moment(started, now_ns)}, {duration((now_ns - started) / NS)}"
        if self._may_act:
            show(self._acknowledge, state in (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED))
            show(self._shelve, state is not AlarmState.SHELVED)
            show(self._unshelve, state is AlarmState.SHELVED)

    def remove(self) -> None:
        self._box.delete()

    async def _on_acknowledge(self) -> None:
        await self._acts.acknowledge([self._alarm])

    def _on_shelve(self) -> None:
        self._acts.ask_shelve(self._alarm)

    async def _on_unshelve(self) -> None:
        await self._acts.unshelve(self._alarm)

    async def _on_right(self) -> None:
        await self._acts.judge([self._alarm], True)

    async def _on_wrong(self) -> None:
        await self._acts.judge([self._alarm], False)
