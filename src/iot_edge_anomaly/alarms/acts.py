"""What the clock and people do to an alarm book: silence, shelving that ends, maintenance, acknowledgement."""

from iot_edge_anomaly.alarms.book import Alarm, AlarmBook, Finding, apply, raise_alarm, return_alarm
from iot_edge_anomaly.alarms.reasons import silence_reason
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.messages import Acknowledge, Maintenance, Shelve
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Priority

NS = 1_000_000_000
WHOLE_ASSET = "*"


def on_tick(
    book: AlarmBook, key: AssetKey, now_ns: int, last_heard_ns: dict[str, int], settings: AlarmSettings
) -> list[AlarmEvent]:
    """Let time pass: end shelving and maintenance that are over, find sensors that have fallen silent.

    `last_heard_ns` says for each sensor when something came in last. An asset that is silent as a whole is one alarm.
    """
    events = _end_what_is_over(book, now_ns, settings)
    silent = {
        sensor: (now_ns - heard) / NS
        for sensor, heard in last_heard_ns.items()
        if (limit := settings.silence_seconds.get(sensor, 0.0)) > 0 and now_ns - heard > limit * NS
    }
    if silent and len(silent) == len(last_heard_ns) and len(silent) > 1:
        silent = {WHOLE_ASSET: min(silent.values())}
    for condition in [name for name in book.alarms if name.startswith("silence:") and book.alarms[name].is_active]:
        if condition.removeprefix("silence:") not in silent:
            events += return_alarm(book, condition, now_ns, settings)
    for sensor, seconds in silent.items():
        condition = f"silence:{sensor}"
        if condition not in book.alarms or not book.alarms[condition].is_active:
            finding = Finding(silence_reason(sensor, seconds, settings), Priority.MEDIUM, seconds)
            events += raise_alarm(book, key, condition, now_ns, finding, settings)
    return events


def needs_ticks(book: AlarmBook) -> bool:
    """Tell whether something in the book ends by time alone."""
    return book.is_in_maintenance or any(alarm.until_ns for alarm in book.alarms.values())


def _end_what_is_over(book: AlarmBook, now_ns: int, settings: AlarmSettings) -> list[AlarmEvent]:
    events: list[AlarmEvent] = []
    for alarm in book.alarms.values():
        if alarm.state is AlarmState.SHELVED and alarm.until_ns <= now_ns:
            events += _release(alarm, now_ns, settings, "the shelving is over")
    if book.is_in_maintenance and book.maintenance_until_ns <= now_ns:
        events += _end_maintenance(book, now_ns, settings, "")
    return events


def acknowledge(book: AlarmBook, control: Acknowledge, settings: AlarmSettings) -> list[AlarmEvent]:
    """Acknowledge one alarm, or all of the asset where none is named."""
    return [
        event
        for alarm in book.alarms.values()
        if control.alarm_id in ("", alarm.alarm_id)
        for event in apply(alarm, Event.ACKNOWLEDGE, control.at_ns, settings, control.by, control.note)
    ]


def shelve(book: AlarmBook, control: Shelve, settings: AlarmSettings) -> list[AlarmEvent]:
    """Put one condition out of sight until a time, or bring it back."""
    alarm = book.alarm(control.condition)
    if control.until_ns <= control.at_ns:
        return _release(alarm, control.at_ns, settings, control.reason, control.by)
    alarm.until_ns = control.until_ns
    return apply(alarm, Event.SHELVE, control.at_ns, settings, control.by, control.reason)


def maintenance(book: AlarmBook, control: Maintenance, settings: AlarmSettings) -> list[AlarmEvent]:
    """Take the asset out of service until a time, or put it back."""
    if control.until_ns <= control.at_ns:
        return _end_maintenance(book, control.at_ns, settings, control.by)
    book.maintenance_until_ns = control.until_ns
    return [
        event
        for alarm in book.open_alarms()
        for event in apply(alarm, Event.REMOVE, control.at_ns, settings, control.by, control.reason)
    ]


def _end_maintenance(book: AlarmBook, at_ns: int, settings: AlarmSettings, by: str) -> list[AlarmEvent]:
    book.maintenance_until_ns = 0
    return [
        event
        for alarm in book.alarms.values()
        if alarm.state is AlarmState.OUT_OF_SERVICE
        for event in _release(alarm, at_ns, settings, "maintenance is over", by)
    ]


def _release(alarm: Alarm, at_ns: int, settings: AlarmSettings, note: str, by: str = "") -> list[AlarmEvent]:
    """Bring an alarm back into sight; one whose condition holds starts unacknowledged."""
    alarm.until_ns = 0
    event = Event.RELEASE_ACTIVE if alarm.is_active and alarm.alarm_id else Event.RELEASE_NORMAL
    if event is Event.RELEASE_NORMAL:
        alarm.is_active, alarm.run = False, 0
    return apply(alarm, event, at_ns, settings, by, note)
