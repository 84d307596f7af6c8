"""The false-alarm budget over some weeks, as a page shows it: worst assets first. Pure but for `read_budget`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from iot_edge_anomaly.console.view import Records, Tenants
from iot_edge_anomaly.console.when import DAY_NS
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings, promised_per_week
from iot_edge_anomaly.views import promise
from iot_edge_anomaly.views.budget import Budget, BudgetLine, BudgetState, budget
from iot_edge_anomaly.views.promise import Promise, promises
from iot_edge_anomaly.views.records import JudgedAlarm

WEEKS = (4, 12)
SHOWN = 25
_ORDER = (BudgetState.OVER, BudgetState.TOO_EARLY, BudgetState.WITHIN)
SCALE = 3.0
"""The bar ends at so many times what was promised."""


class BudgetSearch(NamedTuple):
    """What stands in the address."""

    weeks: int = WEEKS[0]
    words: str = ""
    first: int = 0


class Figures(NamedTuple):
    """What came of the promises over a span, and the verdicts that say so."""

    budget: Budget
    judged: Sequence[JudgedAlarm]


class Bar(NamedTuple):
    """Where on a bar things stand, in percent of its width."""

    low: float
    high: float
    realised: float
    promised: float = 100.0 / SCALE


def budget_search_of(query: Mapping[str, str]) -> BudgetSearch:
    """Read an address; what makes no sense is left out."""
    weeks, first = query.get("weeks", ""), query.get("first", "")
    return BudgetSearch(
        next((one for one in WEEKS if str(one) == weeks), WEEKS[0]),
        query.get("words", "").strip()[:200],
        int(first) if first.isdecimal() and len(first) < 7 else 0,
    )


def budget_address(search: BudgetSearch) -> str:
    """Return the address of a budget page.

    >>> budget_address(BudgetSearch(12))
    '/budget?weeks=12'
    """
    asked = {name: value for name, value in search._asdict().items() if value != BudgetSearch._field_defaults[name]}
    return f"/budget?{urlencode(asked)}" if asked else "/budget"


def span_of(weeks: int, now_ns: int) -> tuple[int, int]:
    """Return whole days (UTC) from so many weeks ago up to the end of today: the same all day long."""
    end = now_ns // DAY_NS + 1
    return (end - 7 * weeks) * DAY_NS, end * DAY_NS


def read_budget(
    records: Records, settings: Callable[[AssetKey], AssetSettings], tenants: Tenants, since_ns: int, until_ns: int
) -> Figures:
    """Ask the records, and work out what the answer says: in a thread."""
    learned = records.learned(tenants, since_ns, until_ns)
    return Figures(budget(learned, _promised(settings)), records.judged(tenants, since_ns, until_ns))


def read_promises(
    records: Records, settings: Callable[[AssetKey], AssetSettings], tenants: Tenants, day: int, prefix: str
) -> Mapping[AssetKey, Promise]:
    """Ask the records which promises hold over the last weeks up to the end of a day (UTC): in a thread.

    `prefix`: of assets whose full names begin so; an asset's own name is one.
    """
    span = span_of(promise.WEEKS, day * DAY_NS)
    return promises(records.learned_since_model(tenants, *span, prefix), _promised(settings))


def worst_first(
    lines: Sequence[BudgetLine], words: str = "", broken: Collection[AssetKey | None] = ()
) -> list[BudgetLine]:
    """Return the lines of the assets in whose names these words occur; those with a broken promise come first."""
    wanted = words.casefold().split()
    found = [line for line in lines if all(word in str(line.key).casefold() for word in wanted)]
    return sorted(
        found, key=lambda line: (line.key not in broken, _ORDER.index(line.state), -_burden(line), str(line.key))
    )


def bar_of(line: BudgetLine) -> Bar | None:
    """Return where the interval and the realised rate stand on a bar; None before anything was watched."""
    if line.interval is None or line.wrong_per_week is None:
        return None
    percent = _percent(line.promised_per_week)
    return Bar(percent(line.interval.low), percent(line.interval.high), percent(line.wrong_per_week))


def rate(per_week: float) -> str:
    """Write a rate a week.

    >>> rate(0.0), rate(0.04), rate(1.0), rate(12.34), rate(6048.0)
    ('0', '0.04', '1', '12.3', '6,048')
    """
    digits = 0 if per_week >= 100 else 1 if per_week >= 10 else 2
    return f"{per_week:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{per_week:,.0f}"


def _promised(settings: Callable[[AssetKey], AssetSettings]) -> Callable[[AssetKey], float]:
    return lambda key: promised_per_week(settings(key))


def _percent(promised: float) -> Callable[[float], float]:
    return lambda value: min(value / promised / SCALE, 1.0) * 100.0


def _burden(line: BudgetLine) -> float:
    return (line.wrong_per_week or 0.0) / line.promised_per_week + 1e-3 * line.unjudged
