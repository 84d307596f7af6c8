"""The false-alarm budget: what was promised to each asset, and what came of it. Pure.

A false alarm is a learned alarm that somebody judged wrong. One that nobody judged may be false too: so the realised
figure lies between those judged wrong and those with the unjudged added. What was judged right does not count.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.poisson import Interval, between
from iot_edge_anomaly.views.records import LearnedAlarms

WEEK_SECONDS = 604_800.0
ENOUGH = 3.0
"""From so many allowed false alarms on their absence tells something: by chance alone none comes up one time in 20."""


class BudgetState(StrEnum):
    """Whether the promise was kept."""

    WITHIN = "within budget"
    OVER = "over budget"
    TOO_EARLY = "too early to say"


class BudgetLine(NamedTuple):
    """Promised against realised over a span; `key` None: all assets together, rates a week and asset.

    `allowed`: how many false alarms the promise allows in the time watched. `interval`: of the realised rate a week,
    95 %; its low end counts those judged wrong, its high end the unjudged too. Rates are None before anything was
    watched.
    """

    key: AssetKey | None
    promised_per_week: float
    watched_seconds: float
    allowed: float
    right: int
    wrong: int
    unjudged: int
    wrong_per_week: float | None
    most_per_week: float | None
    interval: Interval | None
    state: BudgetState
    words: str


class Budget(NamedTuple):
    """Every asset that was watched or alarmed, in order of name, and all of them together."""

    fleet: BudgetLine
    assets: tuple[BudgetLine, ...]


def budget(learned: Sequence[LearnedAlarms], promised: Callable[[AssetKey], float]) -> Budget:
    """Hold learned alarms against what was promised: `false_alarms_per_week` of each asset."""
    lines = [_line(each.key, each, promised(each.key)) for each in learned]
    weeks = sum(each.watched_seconds for each in learned) / WEEK_SECONDS
    allowed = sum(line.allowed for line in lines)
    mean = allowed / weeks if weeks else sum(line.promised_per_week for line in lines) / max(len(lines), 1)
    together = LearnedAlarms(
        AssetKey("", ""),
        sum(each.right for each in learned),
        sum(each.wrong for each in learned),
        sum(each.unjudged for each in learned),
        sum(each.watched_seconds for each in learned),
    )
    return Budget(_line(None, together, mean), tuple(lines))


def _line(key: AssetKey | None, of: LearnedAlarms, promised: float) -> BudgetLine:
    weeks = of.watched_seconds / WEEK_SECONDS
    limits = between(of.wrong, of.wrong + of.unjudged)
    state = _state(of, promised * weeks, limits)
    return BudgetLine(
        key,
        promised,
        of.watched_seconds,
        promised * weeks,
        of.right,
        of.wrong,
        of.unjudged,
        of.wrong / weeks if weeks else None,
        (of.wrong + of.unjudged) / weeks if weeks else None,
        Interval(limits.low / weeks, limits.high / weeks) if weeks else None,
        state,
        _words(of, promised * weeks, weeks, state),
    )


def _state(of: LearnedAlarms, allowed: float, limits: Interval) -> BudgetState:
    """Say over where chance does not explain those judged wrong, within where even the unjudged fit the budget."""
    if not of.watched_seconds:
        return BudgetState.TOO_EARLY
    if limits.low > allowed:
        return BudgetState.OVER
    if allowed >= ENOUGH and of.wrong + of.unjudged <= allowed:
        return BudgetState.WITHIN
    return BudgetState.TOO_EARLY


def _span(weeks: float) -> str:
    """Write how long was watched.

    >>> _span(3.26), _span(0.4), _span(0.01)
    ('3.3 weeks', '2.8 days', '1.7 hours')
    """
    if weeks >= 1.0:
        return f"{weeks:.1f} weeks"
    days = weeks * 7.0
    return f"{days:.1f} days" if days >= 1.0 else f"{days * 24.0:.1f} hours"


def _words(of: LearnedAlarms, allowed: float, weeks: float, state: BudgetState) -> str:
    if not of.watched_seconds:
        return f"{state}: no calibrated model has watched yet"
    counted = f"{of.wrong} judged wrong" + (f" and {of.unjudged} not judged" if of.unjudged else "")
    text = f"{state}: {counted} in {_span(weeks)}, {f'{allowed:.1f}' if allowed >= 1.0 else f'{allowed:.2g}'} allowed"
    if state is not BudgetState.TOO_EARLY:
        return text
    if of.wrong + of.unjudged <= allowed:
        return f"{text}; from {ENOUGH:g} allowed on, few tell something"
    return f"{text}; judging those that are open tells more" if of.unjudged else f"{text}; it may be chance"
