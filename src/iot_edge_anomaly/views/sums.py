"""Read sums from the view database: days, learned alarms by verdict; and the notices kept with them."""

from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.alarm_query import bounded, in_bounds, of_prefix, of_tenants
from iot_edge_anomaly.views.records import DAY_NS, AssetDay, JudgedAlarm, KeptNotice, LearnedAlarms, Verdict
from iot_edge_anomaly.views.tables import ALARMS, COUNT_COLUMNS, DAYS, NOTICES

LEARNED = "score"
"""The condition of alarms that a model raises."""

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
    first, end = _days(since_ns, until_ns)
    names = (DAYS.c.tenant, DAYS.c.asset)
    watched_ns = func.sum(DAYS.c.watched_ns)
    in_span = and_(of_tenants(DAYS, tenants), of_prefix(DAYS, prefix), DAYS.c.day >= first, DAYS.c.day < end)
    watched = connection.execute(select(*names, watched_ns).where(in_span).group_by(*names).having(watched_ns > 0))
    seconds = {AssetKey(tenant, asset): int(ns) / NS for tenant, asset, ns in watched}
    alarms = (ALARMS.c.tenant, ALARMS.c.asset, ALARMS.c.verdict)
    raised = connection.execute(
        select(*alarms, func.count()).where(_learned(tenants, since_ns, until_ns, prefix)).group_by(*alarms)
    )
    counts: dict[AssetKey, dict[str, int]] = {}
    for tenant, asset, verdict, count in raised:
        counts.setdefault(AssetKey(tenant, asset), {})[verdict] = count
    return [
        LearnedAlarms(key, found.get("right", 0), found.get("wrong", 0), found.get("", 0), seconds.get(key, 0.0))
        for key in sorted(seconds.keys() | counts.keys())
        for found in (counts.get(key, {}),)
    ]


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
