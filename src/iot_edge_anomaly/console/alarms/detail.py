"""One alarm with all that is known of it: why, what happened since, what people said, and what can be done."""

from iot_edge_anomaly.console.alarms.acts import AlarmActs, note_field, verdict_button
from iot_edge_anomaly.console.alarms.search import alarm_address
from iot_edge_anomaly.console.alarms.shares import shares
from iot_edge_anomaly.console.alarms.words import condition_title, event_words, measured
from iot_edge_anomaly.console.assets.listing import asset_address
from iot_edge_anomaly.console.elements import box, button, link, set_prop, show, text
from iot_edge_anomaly.console.when import full_moment
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmRecord, Verdict

MOST_BARS = 8
_TO_ACKNOWLEDGE = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)


class AlarmDetail:
    """Built when it is opened, changed where something happened."""

    def __init__(self, record: AlarmRecord, settings: AssetSettings, acts: AlarmActs, *, is_alone: bool) -> None:
        self._record = record
        self._acts = acts
        self._told: tuple[AlarmEvent, ...] = ()
        alarm = record.alarm
        with box("detail"):
            text("p", condition_title(alarm.latest.condition, settings), "kind")
            if said := measured(alarm.raised):
                text("p", said, "hint")
            if alarm.raised.contributors:
                shares(alarm.raised.contributors[:MOST_BARS], settings)
            if acts.may_act(alarm):
                self._buttons()
            self._verdict = text("p", "", "verdict-given")
            with box("events", "table"):
                text("caption", "What happened")
                self._events = box("", "tbody")
            _links(alarm, is_alone=is_alone)
        self.update(record)

    def update(self, record: AlarmRecord) -> None:
        """Show the alarm as it is now."""
        self._record = record
        alarm = record.alarm
        if self._acts.may_act(alarm):
            state = alarm.latest.after
            show(self._acknowledge, state in _TO_ACKNOWLEDGE)
            show(self._shelve, state not in (AlarmState.NORMAL, AlarmState.SHELVED))
            show(self._unshelve, state is AlarmState.SHELVED)
            self._press(record.verdict)
        show(self._verdict, record.verdict is not None)
        if record.verdict is not None:
            self._verdict.text = _verdict_line(record.verdict)
        told = alarm.transitions or (alarm.raised, alarm.latest)[: 1 + (alarm.latest != alarm.raised)]
        if told != self._told:
            self._told = told
            self._tell()

    def _buttons(self) -> None:
        with box("buttons"):
            self._acknowledge = button("Acknowledge", self._on_acknowledge, "primary")
            self._shelve = button("Shelve…", self._on_shelve, hint="Put it out of sight for a while")
            self._unshelve = button("Unshelve", self._on_unshelve, hint="Bring it back into sight")
        with box("judging").props('role=group aria-label="Was this alarm right?"'):
            text("span", "Was it right?", "hint")
            note = note_field()
            with box("buttons"):
                self._right = verdict_button("Right", note, self._on_right, "There was something wrong with the asset")
                self._wrong = verdict_button("Wrong", note, self._on_wrong, "A false alarm")

    def _press(self, verdict: Verdict | None) -> None:
        for one, is_right in ((self._right, True), (self._wrong, False)):
            set_prop(one, "aria-pressed", str(verdict is not None and verdict.was_right is is_right).lower())

    def _tell(self) -> None:
        self._events.clear()
        with self._events:
            for event in self._told:
                with box("", "tr"):
                    text("td", full_moment(event.time_ns), "when")
                    text("th", event_words(event)).props("scope=row")
                    text("td", ": ".join(part for part in (event.by, event.note) if part), "said")

    async def _on_acknowledge(self) -> None:
        await self._acts.acknowledge([self._record.alarm])

    def _on_shelve(self) -> None:
        self._acts.ask_shelve(self._record.alarm)

    async def _on_unshelve(self) -> None:
        await self._acts.unshelve(self._record.alarm)

    async def _on_right(self, note: str) -> None:
        await self._acts.judge([self._record.alarm], True, note)

    async def _on_wrong(self, note: str) -> None:
        await self._acts.judge([self._record.alarm], False, note)


def asset_then(key: AssetKey, time_ns: int) -> str:
    """Return the address of an asset's page at a time."""
    return f"{asset_address(key)}?at={time_ns}"


def _links(alarm: AlarmView, *, is_alone: bool) -> None:
    with box("line links"):
        link("The asset at that time", asset_then(alarm.key, alarm.raised.time_ns))
        if not is_alone:
            link("Only this alarm, and similar ones", alarm_address(alarm.raised.alarm_id))
    if is_alone:
        text(
            "p", f"Work it out again, bit by bit: iot-edge-anomaly replay-alarm {alarm.raised.alarm_id}", "hint replay"
        )


def _verdict_line(verdict: Verdict) -> str:
    what = "A right alarm" if verdict.was_right else "A false alarm"
    line = f"{what}, says {verdict.by or 'somebody'} ({full_moment(verdict.at_ns)})"
    return f"{line}: {verdict.note}" if verdict.note else line
