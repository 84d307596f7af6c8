"""Alarms a day, quality of rows, time watched: sums over all assets that somebody may see. Pure but for `read_days`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from iot_edge_anomaly.console.view import Records, Tenants
from iot_edge_anomaly.console.when import DAY_NS, NS
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.records import AssetDay, LearnedAlarms

DAYS = 14
WEEK = 7


class Quality(NamedTuple):
    """What became of rows and values in a span."""

    rows: tuple[int, int, int, int] = (0, 0, 0, 0)
    accepted: int = 0
    late: int = 0
    duplicate: int = 0
    set_aside: int = 0

    def shares(self) -> tuple[float, ...]:
        """Return the share of rows of each quality; none where there are no rows."""
        total = sum(self.rows)
        return tuple(count / total for count in self.rows) if total else ()


class DayFigures(NamedTuple):
    """Sums up to today (UTC). `raised`: alarms of each of the last days, today last. `watched` is a share of time."""

    first_day: int
    raised: tuple[int, ...]
    today: Quality
    week: Quality
    watched_today: float | None
    watched_week: float | None


def read_days(records: Records, tenants: Tenants, minute: int) -> DayFigures:
    """Ask the records, in a thread. `minute` of the time, so that all who look share the answer."""
    now_ns = minute * 60 * NS
    today = now_ns // DAY_NS
    days = records.days(tenants, today - DAYS)
    week_ns = (today - WEEK + 1) * DAY_NS
    return day_figures(
        days, records.learned(tenants, today * DAY_NS, now_ns), records.learned(tenants, week_ns, now_ns), now_ns
    )


def day_figures(
    days: Sequence[AssetDay], today: Sequence[LearnedAlarms], week: Sequence[LearnedAlarms], now_ns: int
) -> DayFigures:
    """Add days up; `today` and `week` say how long each asset was watched."""
    day = now_ns // DAY_NS
    first = day - DAYS + 1
    raised = [0] * DAYS
    for one in days:
        if first <= one.day <= day:
            raised[one.day - first] += one.raised
    known = _first_days(days)
    return DayFigures(
        first,
        tuple(raised),
        quality(one for one in days if one.day == day),
        quality(one for one in days if day - WEEK < one.day <= day),
        watched(today, known, day, now_ns),
        watched(week, known, day - WEEK + 1, now_ns),
    )


def quality(days: Iterable[AssetDay]) -> Quality:
    """Add up what became of rows and values."""
    rows, accepted, late, duplicate, set_aside = [0, 0, 0, 0], 0, 0, 0, 0
    for one in days:
        rows = [count + more for count, more in zip(rows, one.rows, strict=True)]
        accepted, late = accepted + one.accepted, late + one.late
        duplicate, set_aside = duplicate + one.duplicate, set_aside + one.set_aside
    return Quality((rows[0], rows[1], rows[2], rows[3]), accepted, late, duplicate, set_aside)


def watched(seen: Sequence[LearnedAlarms], known: Mapping[AssetKey, int], first_day: int, now_ns: int) -> float | None:
    """Return the share of time that assets were watched since a day; None before there is anything to say.

    An asset counts from the day after its first: nobody knows when on that day it began.
    """
    expected = done = 0.0
    for one in seen:
        since_day = max(first_day, known.get(one.key, first_day) + 1)
        seconds = max(now_ns - since_day * DAY_NS, 0) / NS
        expected += seconds
        done += min(one.watched_seconds, seconds)
    return done / expected if expected else None


def _first_days(days: Iterable[AssetDay]) -> Mapping[AssetKey, int]:
    found: dict[AssetKey, int] = defaultdict(lambda: 1 << 62)
    for one in days:
        found[one.key] = min(found[one.key], one.day)
    return found
