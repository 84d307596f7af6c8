"""Read sums from the view database: days, learned alarms by verdict; and the notices kept with them."""

from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Subquery, Table, and_, func, select

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.alarm_query import bounded, in_bounds, of_prefix, of_tenants
from iot_edge_anomaly.views.records import DAY_NS, AssetDay, JudgedAlarm, KeptNotice, LearnedAlarms, Verdict
from iot_edge_anomaly.views.tables import ALARMS, COUNT_COLUMNS, DAYS, NOTICES

LEARNED = "score"
"""The condition of alarms that a model raises."""

MODEL_ACTIVATED = "model-activated"
"""The kind of the notice that tells that an asset has another model."""

MOST_DAYS = 100_000
NS = 1_000_000_000

Tenants = frozenset[str] | Literal["*"]


def days_of(connection: Connection, tenants: Tenants, since_day: int, prefix: str) -> list[AssetDay]:
    """Return days from one on, in order of asset and day."""
    wanted = and_(of_tenants(DAYS, tenants), of_prefix(DAYS, prefix), DAYS.c.day >= in_bounds(since_day))
    statement = select(DAYS).where(wanted).order_by(DAYS.c.tenant, DAYS.c.asset, DAYS.c.day).limit(MOST_DAYS)
    return [
        AssetDay(
            AssetKey(row["tenant"], row["asset"]),
            row["day"],
            (row["good"], row["corrected"], row["missing"], row["rejected"]),
            **{name: row[name] for name in (*COUNT_COLUMNS, "raised")},
        )
        for row in connection.execute(statement).mappings()
    ]


def learned_of(
    connection: Connection, tenants: Tenants, since_ns: int, until_ns: int, prefix: str
) -> list[LearnedAlarms]:
    """Return for each asset that was watched or alarmed how many learned alarms have which verdict."""
    span = (tenants, since_ns, until_ns, prefix)
    return _learned_alarms(connection, _watched(*span), _raised(*span))


def learned_since_model_of(
    connection: Connection, tenants: Tenants, since_ns: int, until_ns: int, prefix: str
) -> list[LearnedAlarms]:
    """Return the same of the time since the present model of each asset came into use, where that was in the span.

    The day on which it came into use counts as watched in full.
    """
    span = (tenants, since_ns, until_ns, prefix)
    models = _models_since(tenants, since_ns, prefix)
    begun_ns = func.coalesce(models.c.at_ns, 0)
    watched = _watched(*span).outerjoin(models, _is_of(DAYS, models)).where(DAYS.c.day >= begun_ns // DAY_NS)
    raised = _raised(*span).outerjoin(models, _is_of(ALARMS, models)).where(ALARMS.c.raised_ns >= begun_ns)
    return _learned_alarms(connection, watched, raised)


def judged_of(connection: Connection, tenants: Tenants, since_ns: int, until_ns: int, prefix: str) -> list[JudgedAlarm]:
    """Return the learned alarms that have a verdict, the newest verdict first."""
    wanted = and_(_learned(tenants, since_ns, until_ns, prefix), ALARMS.c.verdict != "")
    newest_first = (ALARMS.c.verdict_ns.desc(), ALARMS.c.alarm_id.desc())
    statement = select(ALARMS).where(wanted).order_by(*newest_first).limit(bounded(1 << 31))
    return [
        JudgedAlarm(
            AssetKey(row["tenant"], row["asset"]),
            row["alarm_id"],
            row["raised_ns"],
            verdict_of(row),
        )
        for row in connection.execute(statement).mappings()
    ]


def notices_of(connection: Connection, tenants: Tenants, since_ns: int, prefix: str, limit: int) -> list[KeptNotice]:
    """Return notices, the newest first."""
    notices = NOTICES.c
    wanted = and_(of_tenants(NOTICES, tenants), of_prefix(NOTICES, prefix), notices.touched_ns >= in_bounds(since_ns))
    newest_first = (notices.touched_ns.desc(), notices.partition, notices.position.desc(), notices.number.desc())
    statement = select(NOTICES).where(wanted).order_by(*newest_first).limit(bounded(limit))
    return [
        KeptNotice(
            AssetKey(row["tenant"], row["asset"]),
            *(row[name] for name in ("kind", "sensor", "text", "touched_ns", "by", "note")),
        )
        for row in connection.execute(statement).mappings()
    ]


def verdict_of(alarm: RowMapping) -> Verdict:
    """Return the verdict that counts of an alarm that has one."""
    return Verdict(alarm["verdict"] == "right", alarm["verdict_by"], alarm["verdict_note"], alarm["verdict_ns"])


def _days(since_ns: int, until_ns: int) -> tuple[int, int]:
    """Return the first of the days that a span touches, and the first behind it."""
    return in_bounds(since_ns) // DAY_NS, -(-in_bounds(until_ns) // DAY_NS)


def _watched(tenants: Tenants, since_ns: int, until_ns: int, prefix: str) -> Select[str, str, int]:
    """Ask how long each asset was watched, in ns; those that were not are left out."""
    first, end = _days(since_ns, until_ns)
    names, watched_ns = (DAYS.c.tenant, DAYS.c.asset), func.sum(DAYS.c.watched_ns)
    in_span = and_(of_tenants(DAYS, tenants), of_prefix(DAYS, prefix), DAYS.c.day >= first, DAYS.c.day < end)
    return select(*names, watched_ns).where(in_span).group_by(*names).having(watched_ns > 0)


def _raised(tenants: Tenants, since_ns: int, until_ns: int, prefix: str) -> Select[str, str, str, int]:
    """Ask how many learned alarms each asset has with each verdict."""
    names = (ALARMS.c.tenant, ALARMS.c.asset, ALARMS.c.verdict)
    return select(*names, func.count()).where(_learned(tenants, since_ns, until_ns, prefix)).group_by(*names)


def _models_since(tenants: Tenants, since_ns: int, prefix: str) -> Subquery:
    """Ask when the latest model of each asset came into use, where that was since a time."""
    names, notices = (NOTICES.c.tenant, NOTICES.c.asset), NOTICES.c
    is_wanted = and_(notices.kind == MODEL_ACTIVATED, notices.touched_ns >= in_bounds(since_ns))
    of_these = and_(of_tenants(NOTICES, tenants), of_prefix(NOTICES, prefix))
    at_ns = func.max(notices.touched_ns).label("at_ns")
    return select(*names, at_ns).where(is_wanted, of_these).group_by(*names).subquery()


def _is_of(table: Table, other: Subquery) -> ColumnElement[bool]:
    return and_(table.c.tenant == other.c.tenant, table.c.asset == other.c.asset)


def _learned_alarms(
    connection: Connection, watched: Select[str, str, int], raised: Select[str, str, str, int]
) -> list[LearnedAlarms]:
    seconds = {AssetKey(tenant, asset): int(ns) / NS for tenant, asset, ns in connection.execute(watched)}
    counts: dict[AssetKey, dict[str, int]] = {}
    for tenant, asset, verdict, count in connection.execute(raised):
        counts.setdefault(AssetKey(tenant, asset), {})[verdict] = count
    return [
        LearnedAlarms(key, found.get("right", 0), found.get("wrong", 0), found.get("", 0), seconds.get(key, 0.0))
        for key in sorted(seconds.keys() | counts.keys())
        for found in (counts.get(key, {}),)
    ]


def _learned(tenants: Tenants, since_ns: int, until_ns: int, prefix: str) -> ColumnElement[bool]:
    first, end = _days(since_ns, until_ns)
    return and_(
        of_tenants(ALARMS, tenants),
        of_prefix(ALARMS, prefix),
        ALARMS.c.condition == LEARNED,
        ALARMS.c.is_raised,
        ALARMS.c.raised_ns >= in_bounds(first * DAY_NS),
        ALARMS.c.raised_ns < in_bounds(end * DAY_NS),
    )
