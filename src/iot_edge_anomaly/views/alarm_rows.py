"""Bring transitions and verdicts into the tables of alarms: each alarm as it stands, and all that happened to it."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Notice
from iot_edge_anomaly.storage.upsert import upsert
from iot_edge_anomaly.views.entries import VERDICTS, Change, Row
from iot_edge_anomaly.views.tables import ALARMS, TRANSITIONS, VERDICTS_GIVEN

AT_ONCE = 400
"""So many names stand in one statement: databases have bounds."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(AlarmEvent)


def write_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """Write what happened to alarms, in the order of the stream."""
    alarms = _known(connection, {change.alarm_id for change in changes})
    transitions: list[Row] = []
    verdicts: list[Row] = []
    for change in changes:
        alarm = alarms.get(change.alarm_id)
        if isinstance(change.of, Notice):
            verdicts.append(_verdict_row(change, change.of))
            if alarm is not None and _is_of(alarm, change.key):
                alarm |= _judged(change, change.of)
            continue
        event = change.of
        if alarm is not None and event.event == Event.RAISE:
            _forget(connection, change.alarm_id, transitions)
            alarm = None
        if alarm is None:
            alarm = alarms[change.alarm_id] = _begun(change, event)
        alarm |= _after(change, event, alarm["transitions"] + 1)
        transitions.append(_transition_row(change, event, alarm["transitions"]))
    upsert(connection, ALARMS, list(alarms.values()))
    for table, rows in ((TRANSITIONS, transitions), (VERDICTS_GIVEN, verdicts)):
        if rows:
            connection.execute(insert(table), rows)


def open_alarms(connection: Connection, partition: int) -> dict[str, tuple[AssetKey, AlarmEvent]]:
    """Return the latest transition of each open alarm of a partition, and whose it is."""
    is_latest = and_(TRANSITIONS.c.alarm_id == ALARMS.c.alarm_id, TRANSITIONS.c.ordinal == ALARMS.c.transitions)
    columns = (ALARMS.c.alarm_id, ALARMS.c.tenant, ALARMS.c.asset, TRANSITIONS.c.event)
    statement = select(*columns).select_from(ALARMS.join(TRANSITIONS, is_latest))
    wanted = statement.where(ALARMS.c.partition == partition, ALARMS.c.is_open.is_(True))
    return {
        alarm_id: (AssetKey(tenant, asset), _decoder.decode(event))
        for alarm_id, tenant, asset, event in connection.execute(wanted)
    }


def in_parts(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield names in lists that a statement can hold."""
    ordered = sorted(names)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _known(connection: Connection, names: set[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for part in in_parts(names):
        rows = connection.execute(select(ALARMS).where(ALARMS.c.alarm_id.in_(part))).mappings()
        found |= {row["alarm_id"]: dict(row) for row in rows}
    return found


def _is_of(alarm: Row, key: AssetKey) -> bool:
    return (alarm["tenant"], alarm["asset"]) == (key.tenant, key.asset)


def _forget(connection: Connection, alarm_id: str, transitions: list[Row]) -> None:
    """Drop what was known of an alarm from hearsay, now that its raising is told."""
    connection.execute(delete(TRANSITIONS).where(TRANSITIONS.c.alarm_id == alarm_id))
    transitions[:] = [row for row in transitions if row["alarm_id"] != alarm_id]


def _begun(change: Change, event: AlarmEvent) -> Row:
    return {
        "alarm_id": event.alarm_id,
        "tenant": change.key.tenant,
        "asset": change.key.asset,
        "condition": event.condition,
        "raised_ns": event.time_ns,
        "is_raised": event.event == Event.RAISE,
        "transitions": 0,
        "verdict": "",
        "verdict_by": "",
        "verdict_note": "",
        "verdict_ns": 0,
        "words": f"{change.key} {event.reason} {event.alarm_id}".casefold(),
        "partition": change.place.partition,
    }


def _after(change: Change, event: AlarmEvent, ordinal: int) -> Row:
    return {
        "incident_id": event.incident_id,
        "state": event.after.value,
        "is_open": event.after is not AlarmState.NORMAL,
        "priority": event.priority.value,
        "transitions": ordinal,
        "touched_ns": change.place.clock_ns,
    }


def _judged(change: Change, notice: Notice) -> Row:
    return {
        "verdict": VERDICTS[notice.kind],
        "verdict_by": notice.by,
        "verdict_note": notice.note,
        "verdict_ns": notice.time_ns,
        "touched_ns": change.place.clock_ns,
    }


def _transition_row(change: Change, event: AlarmEvent, ordinal: int) -> Row:
    return {
        **_place(change),
        "ordinal": ordinal,
        "event": _encoder.encode(event),
    }


def _verdict_row(change: Change, notice: Notice) -> Row:
    verdict = VERDICTS[notice.kind]
    return {**_place(change), "verdict": verdict, "by": notice.by, "note": notice.note, "at_ns": notice.time_ns}


def _place(change: Change) -> Row:
    return {
        "partition": change.place.partition,
        "position": change.place.position,
        "number": change.number,
        "alarm_id": change.alarm_id,
        "tenant": change.key.tenant,
        "asset": change.key.asset,
        "touched_ns": change.place.clock_ns,
    }
