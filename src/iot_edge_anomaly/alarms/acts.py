"""What the clock and people do to an alarm book: silence, shelving that ends, maintenance, acknowledgement."""

from collections.abc import Mapping

from iot_edge_anomaly.alarms.book import (
    Alarm,
    AlarmBook,
    Finding,
    apply,
    identify,
    raise_alarm,
    release_alarm,
    return_alarm,
)
from iot_edge_anomaly.alarms.feedback import Verdicts, with_verdict
from iot_edge_anomaly.alarms.reasons import silence_reason
from iot_edge_anomaly.alarms.rows import SCORE
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Maintenance, NewNormal, Shelve
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Priority

NS = 1_000_000_000
SILENCE = "silence:"
WHOLE_ASSET = f"{SILENCE}*"


def on_tick(
    book: AlarmBook, key: AssetKey, now_ns: int, last_heard_ns: Mapping[str, int], settings: AlarmSettings
) -> list[AlarmEvent]:
    """Let time pass: end shelving and maintenance that are over, find sensors that have fallen silent.

    `last_heard_ns` says for each sensor when something came in last. An asset that is silent as a whole is one alarm.
    """
    events = _end_what_is_over(book, now_ns, settings)
    silent = _silent(now_ns, last_heard_ns, settings)
    known = _silence_alarms(book)
    for condition in known:
        if condition not in silent:
            events += return_alarm(book, condition, now_ns, settings)
    for condition, seconds in silent.items():
        if condition not in known:
            reason = silence_reason(condition.removeprefix(SILENCE), seconds, settings)
            finding = Finding(reason, Priority.MEDIUM, seconds, _patience(condition, settings))
            events += raise_alarm(book, key, condition, now_ns, finding, settings)
    book.forget_settled()
    return events


def listened(book: AlarmBook, last_heard_ns: Mapping[str, int], since_ns: int) -> dict[str, int]:
    """Return from when on each sensor's silence counts: nobody listened before `since_ns`.

    A silence that was known before goes on as what it is.
    """
    known = _silence_alarms(book)
    if WHOLE_ASSET in known:
        return dict(last_heard_ns)
    return {
        sensor: heard if f"{SILENCE}{sensor}" in known else max(heard, since_ns)
        for sensor, heard in last_heard_ns.items()
    }


def needs_tick(book: AlarmBook, now_ns: int, last_heard_ns: Mapping[str, int], settings: AlarmSettings) -> bool:
    """Tell whether `on_tick` would change the book."""
    if 0 < book.maintenance_until_ns <= now_ns or any(0 < a.until_ns <= now_ns for a in book.alarms.values()):
        return True
    silent, known = _silent(now_ns, last_heard_ns, settings), _silence_alarms(book)
    begins = [condition for condition in silent if condition not in known]
    may_begin = [condition for condition in begins if not book.is_in_maintenance or condition in book.alarms]
    return bool(may_begin) or any(condition not in silent for condition in known)


def _silent(now_ns: int, last_heard_ns: Mapping[str, int], settings: AlarmSettings) -> dict[str, float]:
    """Return the conditions of silence that hold, each with its seconds, in a fixed order."""
    silent = {
        f"{SILENCE}{sensor}": (now_ns - heard) / NS
        for sensor, heard in last_heard_ns.items()
        if (limit := settings.silence_seconds.get(sensor, 0.0)) > 0 and now_ns - heard > limit * NS
    }
    if len(silent) > 1 and len(silent) == len(last_heard_ns):
        return {WHOLE_ASSET: min(silent.values())}
    return silent


def _patience(condition: str, settings: AlarmSettings) -> float:
    """Return after how many seconds a silence is one; of a whole asset the longest of its sensors."""
    if condition == WHOLE_ASSET:
        return max(settings.silence_seconds.values())
    return settings.silence_seconds[condition.removeprefix(SILENCE)]


def _silence_alarms(book: AlarmBook) -> list[str]:
    return [name for name, alarm in book.alarms.items() if alarm.is_active and name.startswith(SILENCE)]


def _end_what_is_over(book: AlarmBook, now_ns: int, settings: AlarmSettings) -> list[AlarmEvent]:
    events: list[AlarmEvent] = []
    if 0 < book.maintenance_until_ns <= now_ns:
        events += _end_maintenance(book, now_ns, settings, "")
    for alarm in book.alarms.values():
        if 0 < alarm.until_ns <= now_ns:
            events += _end_shelving(book, alarm, now_ns, settings, "", "the time of shelving is over")
    return events


def acknowledge(book: AlarmBook, control: Acknowledge, settings: AlarmSettings) -> list[AlarmEvent]:
    """Acknowledge one alarm, or all of the asset where none is named."""
    events = [
        event
        for alarm in book.alarms.values()
        if control.alarm_id in ("", alarm.alarm_id)
        for event in apply(alarm, Event.ACKNOWLEDGE, control.at_ns, settings, control.by, control.note)
    ]
    book.forget_settled()
    return events


def shelve(book: AlarmBook, control: Shelve, settings: AlarmSettings) -> list[AlarmEvent]:
    """Put one condition out of sight until a time, or bring it back."""
    alarm = book.alarm(control.condition)
    events: list[AlarmEvent] = []
    if control.until_ns > control.at_ns:
        if alarm.state is AlarmState.NORMAL:
            identify(book, AssetKey(control.tenant, control.asset), alarm, control.at_ns)
        events += apply(alarm, Event.SHELVE, control.at_ns, settings, control.by, control.reason)
        if events:
            alarm.until_ns = control.until_ns
    elif alarm.state is AlarmState.SHELVED:
        events += _end_shelving(book, alarm, control.at_ns, settings, control.by, control.reason)
    book.forget_settled()
    return events


def maintenance(book: AlarmBook, control: Maintenance, settings: AlarmSettings) -> list[AlarmEvent]:
    """Take the asset out of service until a time, or put it back. What is shelved stays shelved."""
    if control.until_ns <= control.at_ns:
        events = _end_maintenance(book, control.at_ns, settings, control.by)
    else:
        book.maintenance_until_ns = control.until_ns
        events = [
            event
            for alarm in book.open_alarms()
            if alarm.state is not AlarmState.SHELVED
            for event in apply(alarm, Event.REMOVE, control.at_ns, settings, control.by, control.reason)
        ]
    book.forget_settled()
    return events


def new_normal(book: AlarmBook, control: NewNormal, settings: AlarmSettings) -> list[AlarmEvent]:
    """Lay the learned alarm to rest: a person says that what the asset does is normal, so it may be learned from."""
    if SCORE not in book.alarms:
        return []
    events = return_alarm(book, SCORE, control.at_ns, settings)
    events += apply(
        book.alarms[SCORE], Event.ACKNOWLEDGE, control.at_ns, settings, control.by, "this is the new normal"
    )
    book.forget_settled()
    return events


def judge(book: AlarmBook, control: Feedback, settings: AlarmSettings) -> list[AlarmEvent]:
    """Let a verdict move the level that the score has to pass; a wrong alarm that never was above it is over."""
    book.verdicts = with_verdict(book.verdicts, control.alarm_id, was_right=control.was_right)
    alarm = book.alarms.get(SCORE)
    is_meant = alarm is not None and alarm.is_active and alarm.alarm_id == control.alarm_id
    if not is_meant or control.was_right or not book.verdicts.covers(control.alarm_id):
        return []
    events = return_alarm(book, SCORE, control.at_ns, settings)
    book.forget_settled()
    return events


def begin_level_anew(book: AlarmBook) -> bool:
    """Let the score have to pass 1 again, whatever was judged; tell whether that is another level than before."""
    before, book.verdicts = book.verdicts, Verdicts()
    return book.verdicts.level != before.level


def _end_maintenance(book: AlarmBook, at_ns: int, settings: AlarmSettings, by: str) -> list[AlarmEvent]:
    book.maintenance_until_ns = 0
    return [
        event
        for alarm in book.alarms.values()
        if alarm.state is AlarmState.OUT_OF_SERVICE
        for event in release_alarm(alarm, at_ns, settings, by, "maintenance is over")
    ]


def _end_shelving(
    book: AlarmBook, alarm: Alarm, at_ns: int, settings: AlarmSettings, by: str, note: str
) -> list[AlarmEvent]:
    if book.is_in_maintenance:
        return apply(alarm, Event.REMOVE, at_ns, settings, by, note)
    return release_alarm(alarm, at_ns, settings, by, note)
