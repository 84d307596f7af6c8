"""What the view database forgets: what nobody has touched for as long as the settings say, by the clock of its commits.

Pruning happens where a new day begins in a partition, between two commits: so what is left depends on the commits
alone, and a rebuild comes out equal.
"""

from sqlalchemy import Connection, and_, delete, select

from iot_edge_anomaly.views.records import DAY_NS
from iot_edge_anomaly.views.tables import ALARMS, DAYS, NOTICES, TRANSITIONS, VERDICTS_GIVEN

SHOWN_TRANSITIONS = 50
"""So many of the newest transitions of an alarm are shown, besides the first."""

WHOLE_DAYS = 30
"""For so long even those transitions are kept that are not shown: sinks may yet have to hand them on."""


def prune(connection: Connection, partition: int, clock_ns: int, keep_days: int) -> None:
    """Forget what a partition told longer ago; alarms that are open stay, however old."""
    before_ns = (clock_ns // DAY_NS - keep_days) * DAY_NS
    over = and_(ALARMS.c.partition == partition, ALARMS.c.is_open.is_(False), ALARMS.c.touched_ns < before_ns)
    connection.execute(delete(TRANSITIONS).where(TRANSITIONS.c.alarm_id.in_(select(ALARMS.c.alarm_id).where(over))))
    connection.execute(delete(ALARMS).where(over))
    for table in (VERDICTS_GIVEN, NOTICES, DAYS):
        old = and_(table.c.partition == partition, table.c.touched_ns < before_ns)
        connection.execute(delete(table).where(old))
    _prune_flutter(connection, partition, (clock_ns // DAY_NS - WHOLE_DAYS) * DAY_NS)


def _prune_flutter(connection: Connection, partition: int, before_ns: int) -> None:
    is_long = and_(ALARMS.c.partition == partition, ALARMS.c.transitions > SHOWN_TRANSITIONS)
    newest = select(ALARMS.c.transitions).where(ALARMS.c.alarm_id == TRANSITIONS.c.alarm_id).scalar_subquery()
    connection.execute(
        delete(TRANSITIONS).where(
            TRANSITIONS.c.alarm_id.in_(select(ALARMS.c.alarm_id).where(is_long)),
            TRANSITIONS.c.touched_ns < before_ns,
            TRANSITIONS.c.ordinal > 1,
            TRANSITIONS.c.ordinal <= newest - SHOWN_TRANSITIONS,
        )
    )
