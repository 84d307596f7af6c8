"""Read what was kept of alarms, verdicts and days: the one place that asks the view database.

Sync: from async code called in a thread. Whatever is asked, nothing is trusted: values are bound, wildcards escaped,
numbers kept in bounds.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection, Engine, RowMapping, and_, or_, select, tuple_

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent
from iot_edge_anomaly.storage.database import reading
from iot_edge_anomaly.views.alarm_log import LISTED_TRANSITIONS, AlarmView
from iot_edge_anomaly.views.alarm_query import bounded, in_bounds, is_storable, query
from iot_edge_anomaly.views.alarm_rows import in_parts
from iot_edge_anomaly.views.likeness import likeness
from iot_edge_anomaly.views.pruning import SHOWN_TRANSITIONS
from iot_edge_anomaly.views.records import (
    AlarmFilter,
    AlarmRecord,
    AssetDay,
    JudgedAlarm,
    KeptNotice,
    LearnedAlarms,
    Verdict,
)
from iot_edge_anomaly.views.sums import days_of, judged_of, learned_of, learned_since_model_of, notices_of, verdict_of
from iot_edge_anomaly.views.tables import ALARMS, POSITIONS, TRANSITIONS, VERDICTS_GIVEN

COMPARED = 500
"""Of past alarms so many of the newest are compared with one."""

Tenants = frozenset[str] | Literal["*"]

_events = msgspec.msgpack.Decoder(AlarmEvent)


class Records:
    """What stands in the view database. Every call raises UnavailableError while it cannot be read.

    An alarm that is asked for alone comes with more of its transitions than one in a list.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def alarms(self, wanted: AlarmFilter) -> list[AlarmRecord]:
        """Return alarms, the newest first, at most 1,000. Raises RejectedError for too many words."""
        statement = query(wanted)
        with reading(self._engine) as connection:
            return _records(connection, connection.execute(statement).mappings().all())

    def alarm(self, alarm_id: str) -> AlarmRecord | None:
        """Return one alarm."""
        if not is_storable(alarm_id):
            return None
        with reading(self._engine) as connection:
            found = connection.execute(select(ALARMS).where(ALARMS.c.alarm_id == alarm_id)).mappings().all()
            return next(iter(_records(connection, found, SHOWN_TRANSITIONS)), None)

    def incident(self, incident_id: str) -> list[AlarmRecord]:
        """Return the alarms of an incident in the order they were raised, at most 1,000."""
        if not is_storable(incident_id) or not incident_id:
            return []
        alarms = ALARMS.c
        statement = select(ALARMS).where(alarms.incident_id == incident_id).order_by(alarms.raised_ns, alarms.alarm_id)
        with reading(self._engine) as connection:
            return _records(connection, connection.execute(statement.limit(bounded(1 << 31))).mappings().all())

    def similar(self, alarm_id: str, limit: int) -> list[AlarmRecord]:
        """Return the past alarms of the same asset and condition, those whose sensors had like parts first."""
        if not is_storable(alarm_id):
            return []
        with reading(self._engine) as connection:
            this = connection.execute(select(ALARMS).where(ALARMS.c.alarm_id == alarm_id)).mappings().one_or_none()
            if this is None:
                return []
            past = {row["alarm_id"]: row for row in _past(connection, this)}
            first = _first_events(connection, [alarm_id, *past])
            parts = first[alarm_id].contributors
            alike = sorted(past, key=lambda name: -likeness(parts, first[name].contributors))
            return _records(connection, [past[name] for name in alike[: bounded(limit)]])

    def verdicts(self, alarm_id: str) -> list[Verdict]:
        """Return all that was ever said of an alarm, in the order of the stream; the last one counts."""
        if not is_storable(alarm_id):
            return []
        given = VERDICTS_GIVEN.c
        statement = select(VERDICTS_GIVEN).where(given.alarm_id == alarm_id).order_by(given.position, given.number)
        with reading(self._engine) as connection:
            rows = connection.execute(statement.limit(bounded(1 << 31))).mappings()
            return [Verdict(row["verdict"] == "right", row["by"], row["note"], row["at_ns"]) for row in rows]

    def days(self, tenants: Tenants, since_day: int, prefix: str = "") -> list[AssetDay]:
        """Return the days of assets from a day on, in order of asset and day."""
        with reading(self._engine) as connection:
            return days_of(connection, tenants, since_day, prefix)

    def learned(self, tenants: Tenants, since_ns: int, until_ns: int, prefix: str = "") -> list[LearnedAlarms]:
        """Return for each asset its learned alarms over the whole days (UTC) that a span touches, by verdict."""
        with reading(self._engine) as connection:
            return learned_of(connection, tenants, since_ns, until_ns, prefix)

    def learned_since_model(
        self, tenants: Tenants, since_ns: int, until_ns: int, prefix: str = ""
    ) -> list[LearnedAlarms]:
        """Return the same, of each asset no further back than its present model is in use."""
        with reading(self._engine) as connection:
            return learned_since_model_of(connection, tenants, since_ns, until_ns, prefix)

    def judged(self, tenants: Tenants, since_ns: int, until_ns: int, prefix: str = "") -> list[JudgedAlarm]:
        """Return the learned alarms of such a span that have a verdict, the newest verdict first, at most 1,000."""
        with reading(self._engine) as connection:
            return judged_of(connection, tenants, since_ns, until_ns, prefix)

    def notices(self, tenants: Tenants, since_ns: int, prefix: str = "", limit: int = 200) -> list[KeptNotice]:
        """Return notices since a time, the newest first: who changed what, and what the system did of itself."""
        with reading(self._engine) as connection:
            return notices_of(connection, tenants, since_ns, prefix, limit)

    def positions(self) -> dict[int, int]:
        """Return for each partition up to which message of OUTCOMES its commits are in here."""
        with reading(self._engine) as connection:
            return {row.partition: row.position for row in connection.execute(select(POSITIONS))}

    def missing(self) -> dict[int, int]:
        """Return the last commit of each partition of which transitions were purged before they got here, or since."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(POSITIONS))
            gone = {row.partition: max(row.missing_up_to, row.pruned_up_to) for row in rows}
        return {partition: up_to for partition, up_to in gone.items() if up_to}

    def after(self, partition: int, position: int, number: int, limit: int) -> list[Posting]:
        """Return the transitions of a partition behind a place, in the order of the stream."""
        place = (TRANSITIONS.c.position, TRANSITIONS.c.number)
        statement = (
            select(TRANSITIONS)
            .where(TRANSITIONS.c.partition == partition, tuple_(*place) > (in_bounds(position), in_bounds(number)))
            .order_by(*place)
            .limit(bounded(limit))
        )
        with reading(self._engine) as connection:
            return [_posting(row) for row in connection.execute(statement).mappings()]


def _records(
    connection: Connection, alarms: Sequence[RowMapping], most_transitions: int = LISTED_TRANSITIONS
) -> list[AlarmRecord]:
    """Return alarms with the first and the newest of their transitions, in the order given."""
    events: dict[str, list[tuple[int, AlarmEvent]]] = {}
    shown = TRANSITIONS.c.ordinal > ALARMS.c.transitions - most_transitions
    joined = TRANSITIONS.join(ALARMS, TRANSITIONS.c.alarm_id == ALARMS.c.alarm_id)
    columns = (TRANSITIONS.c.alarm_id, TRANSITIONS.c.ordinal, TRANSITIONS.c.event)
    for part in in_parts(alarm["alarm_id"] for alarm in alarms):
        is_wanted = and_(TRANSITIONS.c.alarm_id.in_(part), or_(TRANSITIONS.c.ordinal == 1, shown))
        statement = select(*columns).select_from(joined).where(is_wanted).order_by(*columns[:2])
        for alarm_id, ordinal, data in connection.execute(statement):
            events.setdefault(alarm_id, []).append((ordinal, _events.decode(data)))
    return [_record(alarm, events[alarm["alarm_id"]], most_transitions) for alarm in alarms]


def _record(alarm: RowMapping, events: Sequence[tuple[int, AlarmEvent]], most_transitions: int) -> AlarmRecord:
    key = AssetKey(alarm["tenant"], alarm["asset"])
    newest = tuple(event for ordinal, event in events if ordinal > alarm["transitions"] - most_transitions)
    view = AlarmView(key, events[0][1], events[-1][1], newest)
    return AlarmRecord(view, verdict_of(alarm) if alarm["verdict"] else None)


def _past(connection: Connection, this: RowMapping) -> Sequence[RowMapping]:
    alarms = ALARMS.c
    statement = select(ALARMS).where(
        *(alarms[name] == this[name] for name in ("tenant", "asset", "condition")),
        tuple_(alarms.raised_ns, alarms.alarm_id) < (this["raised_ns"], this["alarm_id"]),
    )
    newest_first = (alarms.raised_ns.desc(), alarms.alarm_id.desc())
    return connection.execute(statement.order_by(*newest_first).limit(COMPARED)).mappings().all()


def _first_events(connection: Connection, names: Sequence[str]) -> dict[str, AlarmEvent]:
    found: dict[str, AlarmEvent] = {}
    columns = (TRANSITIONS.c.alarm_id, TRANSITIONS.c.event)
    for part in in_parts(names):
        statement = select(*columns).where(TRANSITIONS.c.alarm_id.in_(part), TRANSITIONS.c.ordinal == 1)
        found |= {name: _events.decode(data) for name, data in connection.execute(statement)}
    return found


def _posting(row: RowMapping) -> Posting:
    key = AssetKey(row["tenant"], row["asset"])
    return Posting(key, _events.decode(row["event"]), row["partition"], row["position"], row["number"])
