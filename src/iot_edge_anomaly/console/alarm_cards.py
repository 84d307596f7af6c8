"""Open alarms of one asset: why, how sure, which sensors, and what a person can do about it."""

from collections.abc import Sequence
from datetime import timedelta

from iot_edge_anomaly.console.elements import box, button, do, set_classes, show, text
from iot_edge_anomaly.console.view import Operations
from iot_edge_anomaly.console.words import (
    NS,
    STATE_WORDS,
    clock_time,
    duration,
    figure,
    sensor_title,
    sentence,
)
from iot_edge_anomaly.core.outcomes import AlarmState, Contributor, Priority
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import AlarmView

SHELVED_FOR = timedelta(hours=1)
MOST_BARS = 5
_ORDER = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


class AlarmCards:
    """A card an open alarm, the most urgent first."""

    def __init__(self, who: Principal, operations: Operations, settings: AssetSettings) -> None:
        self._who = who
        self._operations = operations
        self._settings = settings
        self._cards: dict[str, _Card] = {}
        self._box = box("alarms", "section").props('aria-label="Open alarms" aria-live=polite')

    def update(self, alarms: Sequence[AlarmView], now_ns: int) -> None:
        """Show these alarms as they are now."""
        for gone in self._cards.keys() - {alarm.raised.alarm_id for alarm in alarms}:
            self._cards.pop(gone).remove()
        for alarm in sorted(alarms, key=lambda one: (_ORDER.index(one.raised.priority), one.raised.time_ns)):
            if alarm.raised.alarm_id not in self._cards:
                with self._box:
                    self._cards[alarm.raised.alarm_id] = _Card(alarm, self._who, self._operations, self._settings)
            self._cards[alarm.raised.alarm_id].update(alarm, now_ns)


class _Card:
    def __init__(self, alarm: AlarmView, who: Principal, operations: Operations, settings: AssetSettings) -> None:
        self._alarm = alarm
        self._who = who
        self._operations = operations
        raised = alarm.raised
        with box("alarm", "article") as self._box:
            with box("line"):
                text("span", raised.priority, f"priority {raised.priority}")
                self._state = text("span", "", "state")
                self._since = text("span", "", "since")
            text("h3", sentence(raised.reason))
            if raised.contributors:
                _shares(raised.contributors[:MOST_BARS], settings)
            if who.may(Permission.OPERATE, alarm.key.tenant):
                self._buttons()

    def _buttons(self) -> None:
        with box("buttons"):
            self._acknowledge = button("Acknowledge", self._on_acknowledge, "primary")
            self._shelve = button("Shelve 1 h", self._on_shelve, hint="Put it out of sight for an hour")
            self._unshelve = button("Unshelve", self._on_unshelve, hint="Bring it back into sight")
            with box("verdict").props('role=group aria-label="Was this alarm right?"'):
                text("span", "Was it right?", "hint")
                button("Right", lambda: self._on_verdict(True), "small", "There was something wrong with the asset")
                button("Wrong", lambda: self._on_verdict(False), "small", "A false alarm")

    def update(self, alarm: AlarmView, now_ns: int) -> None:
        state = alarm.latest.after
        self._alarm = alarm
        set_classes(self._box, f"alarm {state} {alarm.raised.priority}")
        self._state.text = STATE_WORDS[state]
        started = alarm.raised.time_ns
        self._since.text = f"since {clock_time(started)}, {duration((now_ns - started) / NS)}"
        if self._who.may(Permission.OPERATE, alarm.key.tenant):
            show(self._acknowledge, state in (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED))
            show(self._shelve, state is not AlarmState.SHELVED)
            show(self._unshelve, state is AlarmState.SHELVED)

    def remove(self) -> None:
        self._box.delete()

    async def _on_acknowledge(self) -> None:
        raised = self._alarm.raised
        await do(self._operations.acknowledge(self._who, self._alarm.key, raised.alarm_id), "Acknowledged")

    async def _on_shelve(self) -> None:
        act = self._operations.shelve(self._who, self._alarm.key, self._alarm.raised.condition, SHELVED_FOR)
        await do(act, "Shelved for 1 h")

    async def _on_unshelve(self) -> None:
        act = self._operations.shelve(self._who, self._alarm.key, self._alarm.raised.condition, timedelta())
        await do(act, "Brought back")

    async def _on_verdict(self, was_right: bool) -> None:
        act = self._operations.feedback(self._who, self._alarm.key, self._alarm.raised.alarm_id, was_right)
        await do(act, "Noted: a right alarm" if was_right else "Noted: a false alarm")


def _shares(contributors: Sequence[Contributor], settings: AssetSettings) -> None:
    """Show each sensor's share of the score as a bar, and what it read against what was expected."""
    with box("shares", "table"), box("", "tbody"):
        for one in contributors:
            with box("", "tr"):
                text("th", sensor_title(settings, one.sensor)).props("scope=row")
                with box("share", "td"), box("track"):
                    box("bar").style(f"width: {one.share:.0%}")
                text("td", f"{one.share:.0%}", "number")
                text("td", figure(one.actual, one.unit), "number actual")
                text("td", f"expected {figure(one.expected, one.unit)}", "number expected")
