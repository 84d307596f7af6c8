"""Alarms as they are this moment, from memory, laid over what the records say of them. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from iot_edge_anomaly.console.board import Line
from iot_edge_anomaly.console.view import Tenants
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Priority
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord

URGENCY = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
Place = tuple[int, str]


class Incident(NamedTuple):
    """The alarms of one asset that belong together, the newest first."""

    key: AssetKey
    incident_id: str
    records: Sequence[AlarmRecord]


def readable(who: Principal) -> Tenants:
    """Return the tenants whose alarms a principal may read."""
    return who.tenants if Permission.READ in who.permissions else frozenset()


def open_alarms(lines: Iterable[Line]) -> dict[str, AlarmView]:
    """Return all open alarms by their ids."""
    return {alarm.raised.alarm_id: alarm for line in lines for alarm in line.asset.alarms}


def merged(kept: Sequence[AlarmRecord], live: dict[str, AlarmView], wanted: AlarmFilter) -> list[AlarmRecord]:
    """Return what is kept with the open alarms as they are now, and before it those that are not kept yet."""
    known = {record.alarm.raised.alarm_id for record in kept}
    newest = max((place(record) for record in kept), default=(0, ""))
    shown = [newer(record, live.get(record.alarm.raised.alarm_id)) for record in kept]
    if wanted.before is None and not wanted.verdict:
        fresh = (AlarmRecord(alarm) for alarm_id, alarm in live.items() if alarm_id not in known)
        shown += [record for record in fresh if place(record) > newest]
    return sorted((record for record in shown if matches(record, wanted)), key=place, reverse=True)[: wanted.limit]


def newer(record: AlarmRecord, live: AlarmView | None) -> AlarmRecord:
    """Return a record with its alarm as it is now."""
    if live is None or live.latest.time_ns < record.alarm.latest.time_ns:
        return record
    return record._replace(alarm=live._replace(transitions=_joined(record.alarm.transitions, live.transitions)))


def _joined(kept: tuple[AlarmEvent, ...], live: tuple[AlarmEvent, ...]) -> tuple[AlarmEvent, ...]:
    """Put what came since behind what is kept; memory holds but the newest transitions."""
    if not kept or kept[-1] not in live:
        return live
    return kept + live[live.index(kept[-1]) + 1 :]


def place(record: AlarmRecord) -> Place:
    """Return by what alarms are put in order of time."""
    return record.alarm.raised.time_ns, record.alarm.raised.alarm_id


def matches(record: AlarmRecord, wanted: AlarmFilter) -> bool:
    """Tell whether an alarm is one that was asked for; what was judged is told by the records alone."""
    alarm = record.alarm
    said = "none" if record.verdict is None else "right" if record.verdict.was_right else "wrong"
    return (
        (wanted.tenants == "*" or alarm.key.tenant in wanted.tenants)
        and (not wanted.states or alarm.latest.after in wanted.states)
        and (not wanted.priorities or alarm.latest.priority in wanted.priorities)
        and (not wanted.verdict or wanted.verdict == said)
        and wanted.since_ns <= alarm.raised.time_ns < wanted.until_ns
        and _is_below(alarm.key, wanted.prefix)
        and _has_words(alarm, wanted.words)
    )


def _is_below(key: AssetKey, prefix: str) -> bool:
    return not prefix or f"{key}/".startswith(f"{prefix}/")


def _has_words(alarm: AlarmView, words: str) -> bool:
    said = f"{alarm.key} {alarm.raised.reason} {alarm.latest.reason} {alarm.raised.alarm_id}".casefold()
    return all(word in said for word in words.casefold().split())


def by_incident(records: Iterable[AlarmRecord]) -> list[Incident]:
    """Put alarms of one incident together; the incident with the newest alarm comes first."""
    found: dict[tuple[AssetKey, str], list[AlarmRecord]] = {}
    for record in records:
        found.setdefault((record.alarm.key, record.alarm.latest.incident_id), []).append(record)
    return [Incident(key, incident_id, alarms) for (key, incident_id), alarms in found.items()]


def most_urgent(alarms: Iterable[AlarmView]) -> list[AlarmView]:
    """Put open alarms in the order in which they want to be looked at."""
    return sorted(alarms, key=lambda alarm: (URGENCY.index(alarm.latest.priority), -alarm.raised.time_ns))
