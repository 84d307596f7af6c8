"""What the view database forgets: what nobody has touched for as long as the settings say, by the clock of its commits.

Pruning happens where a new day begins in a partition, between two commits: so what is left depends on the commits
alone, and a rebuild comes out equal.
"""

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select

from iot_edge_anomaly.views.records import DAY_NS
from iot_edge_anomaly.views.tables import ALARMS, DAYS, NOTICES, TRANSITIONS, VERDICTS_GIVEN

SHOWN_TRANSITIONS = 50
"""So many of the newest transitions of an alarm are shown, besides the first."""

WHOLE_DAYS = 30
"""For so long all transitions are kept, whatever the settings say: sinks may yet have to hand them on."""


def prune(connection: Connection, partition: int, clock_ns: int, keep_days: int) -> int:
    """Forget what a partition told longer ago; alarms that are open stay, however old.

    Returns the position of the latest commit of which a transition was forgotten; 0: of none.
    """
    before_ns = _days_before(clock_ns, keep_days)
    over_ns = _days_before(clock_ns, max(keep_days, WHOLE_DAYS))
    over = and_(ALARMS.c.partition == partition, ALARMS.c.is_open.is_(False), ALARMS.c.touched_ns < over_ns)
    up_to = _forget(connection, TRANSITIONS.c.alarm_id.in_(select(ALARMS.c.alarm_id).where(over)))
    connection.execute(delete(ALARMS).where(over))
    for table in (VERDICTS_GIVEN, NOTICES, DAYS):
        old = and_(table.c.partition == partition, table.c.touched_ns < before_ns)
        connection.execute(delete(table).where(old))
    return max(up_to, _prune_flutter(connection, partition, _days_before(clock_ns, WHOLE_DAYS)))


def _days_before(clock_ns: int, days: int) -> int:
    return (clock_ns // DAY_NS - days) * DAY_NS


def _prune_flutter(connection: Connection, partition: int, before_ns: int) -> int:
    is_long = and_(ALARMS.c.partition == partition, ALARMS.c.transitions > SHOWN_TRANSITIONS)
    newest = select(ALARMS.c.transitions).where(ALARMS.c.alarm_id == TRANSITIONS.c.alarm_id).scalar_subquery()
    is_flutter = and_(
        TRANSITIONS.c.alarm_id.in_(select(ALARMS.c.alarm_id).where(is_long)),
        TRANSITIONS.c.touched_ns < before_ns,
        TRANSITIONS.c.ordinal > 1,
        TRANSITIONS.c.ordinal <= newest - SHOWN_TRANSITIONS,
    )
    return _forget(connection, is_flutter)


def _forget(connection: Connection, those: ColumnElement[bool]) -> int:
    up_to = connection.execute(select(func.max(TRANSITIONS.c.position)).where(those)).scalar()
    if up_to is None:
        return 0
    connection.execute(delete(TRANSITIONS).where(those))
    return int(up_to)
