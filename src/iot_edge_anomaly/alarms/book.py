"""The alarms of one asset: its book, and what rows, ticks and people write into it.

Pure: the book that is handed in is changed, what changed is returned. The quiet case costs a few comparisons of whole
columns; only a column that crosses a threshold is walked row by row.
"""

import hashlib

import msgspec

from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event, next_state
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Contributor, Priority

_SEEN = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)
_NOTHING = AlarmState.NORMAL


class Alarm(msgspec.Struct, array_like=True):
    """One condition of one asset. `run` counts rows towards being raised (inactive) or returned (active)."""

    condition: str
    state: AlarmState = AlarmState.NORMAL
    is_active: bool = False
    run: int = 0
    alarm_id: str = ""
    incident_id: str = ""
    until_ns: int = 0
    priority: Priority = Priority.MEDIUM
    reason: str = ""


class AlarmBook(msgspec.Struct, array_like=True):
    """All that the alarm stage remembers of an asset."""

    alarms: dict[str, Alarm] = {}
    raised: int = 0
    maintenance_until_ns: int = 0

    def alarm(self, condition: str) -> Alarm:
        """Return the alarm of a condition, normal if there was none."""
        if condition not in self.alarms:
            self.alarms[condition] = Alarm(condition)
        return self.alarms[condition]

    @property
    def is_in_maintenance(self) -> bool:
        """Whether the asset is being worked on."""
        return self.maintenance_until_ns > 0

    @property
    def allows_learning(self) -> bool:
        """Whether what is seen now may be taken for normal: no alarm stands, nobody works on the asset."""
        return not self.is_in_maintenance and not any(
            alarm.is_active and not alarm.condition.startswith("silence:") for alarm in self.alarms.values()
        )

    def open_alarms(self) -> list[Alarm]:
        """Return what is not normal."""
        return [alarm for alarm in self.alarms.values() if alarm.state is not AlarmState.NORMAL]


class Finding(msgspec.Struct, frozen=True):
    """Why a condition is raised: the text and the figures of an `AlarmEvent`."""

    reason: str
    priority: Priority
    score: float = 0.0
    threshold: float = 1.0
    contributors: tuple[Contributor, ...] = ()
    model: str = ""


def raise_alarm(
    book: AlarmBook, key: AssetKey, condition: str, time_ns: int, finding: Finding, settings: AlarmSettings
) -> list[AlarmEvent]:
    """Note that a condition begins to hold."""
    alarm = book.alarm(condition)
    alarm.is_active, alarm.run = True, 0
    events = []
    if alarm.state is AlarmState.RETURNED:
        events.append(_event(alarm, "superseded", alarm.state, AlarmState.NORMAL, time_ns, settings))
        alarm.state = AlarmState.NORMAL
    alarm.priority, alarm.reason = finding.priority, finding.reason
    if book.is_in_maintenance and alarm.state is AlarmState.NORMAL:
        alarm.state = AlarmState.OUT_OF_SERVICE
    if alarm.state is AlarmState.NORMAL:
        book.raised += 1
        alarm.alarm_id = _identifier(key, condition, time_ns, book.raised)
        alarm.incident_id = _incident(book, alarm)
        before, alarm.state = alarm.state, AlarmState.UNACKNOWLEDGED
        events.append(_event(alarm, Event.RAISE, before, alarm.state, time_ns, settings, finding))
    return events


def return_alarm(book: AlarmBook, condition: str, time_ns: int, settings: AlarmSettings) -> list[AlarmEvent]:
    """Note that a condition holds no longer."""
    alarm = book.alarm(condition)
    alarm.is_active, alarm.run = False, 0
    return apply(alarm, Event.RETURN, time_ns, settings)


def apply(
    alarm: Alarm, event: Event, time_ns: int, settings: AlarmSettings, by: str = "", note: str = ""
) -> list[AlarmEvent]:
    """Let an event happen to an alarm; nothing where it does not apply."""
    after = next_state(alarm.state, event)
    if after is None:
        return []
    before, alarm.state = alarm.state, after
    return [_event(alarm, event, before, after, time_ns, settings, by=by, note=note)]


def _incident(book: AlarmBook, alarm: Alarm) -> str:
    """Return the incident that is open, or a new one named after the alarm that opens it."""
    others = (other for other in book.alarms.values() if other is not alarm and other.state in _SEEN)
    return next((other.incident_id for other in others), f"I{alarm.alarm_id[1:]}")


def _identifier(key: AssetKey, condition: str, time_ns: int, number: int) -> str:
    text = f"{key.tenant}\0{key.asset}\0{condition}\0{time_ns}\0{number}"
    return f"A{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def _event(
    alarm: Alarm,
    event: str,
    before: AlarmState,
    after: AlarmState,
    time_ns: int,
    settings: AlarmSettings,
    finding: Finding | None = None,
    by: str = "",
    note: str = "",
) -> AlarmEvent:
    found = finding or Finding(alarm.reason, alarm.priority)
    return AlarmEvent(
        alarm.alarm_id,
        alarm.incident_id,
        alarm.condition,
        str(event),
        before,
        after,
        time_ns,
        alarm.priority,
        found.reason,
        found.score,
        found.threshold,
        found.contributors,
        found.model,
        settings.configuration,
        by,
        note,
    )
