"""Whether the promise of few false alarms holds for an asset: a warning that does not wait for verdicts. Pure.

What counts are score alarms that nobody called right: until somebody says so, each may be false. If the promised rate
gives so many, or more, with a chance of less than `CHANCE` (one-sided test of a Poisson count), it is not kept.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.budget import ENOUGH, WEEK_SECONDS
from iot_edge_anomaly.views.poisson import between
from iot_edge_anomaly.views.records import LearnedAlarms

WEEKS = 4
"""So far back alarms count; not those of a model that is not in use any more."""

CHANCE = 0.01
DAY_SECONDS = 86_400.0
LEAST_ALARMS, LEAST_SECONDS = 3, DAY_SECONDS
"""Fewer alarms, or those of less time, break no promise of a rate: the first of them may well be right."""


class PromiseState(StrEnum):
    """What can be said of a promise."""

    KEPT = "kept"
    BROKEN = "broken"
    UNVERIFIED = "not yet verifiable"


class Promise(NamedTuple):
    """What was promised to an asset, and how many score alarms came that nobody called right."""

    key: AssetKey
    state: PromiseState
    promised_per_week: float
    watched_seconds: float
    alarms: int

    @property
    def words(self) -> str:
        """Say it with its figures.

        >>> Promise(AssetKey("acme", "pump"), PromiseState.BROKEN, 1.0, 2 * WEEK_SECONDS, 9).words
        'promised 1 a week; 9 in the last 2 weeks of watching'
        """
        return f"promised {self.promised_per_week:g} a week; {self.alarms} in {_span(self.watched_seconds)}"


def promise(of: LearnedAlarms, promised_per_week: float) -> Promise:
    """Hold the alarms of an asset, since its model is in use, against what was promised to it."""
    allowed, count = promised_per_week * of.watched_seconds / WEEK_SECONDS, of.wrong + of.unjudged
    state = _state(count, allowed, of.watched_seconds)
    return Promise(of.key, state, promised_per_week, of.watched_seconds, count)


def promises(learned: Iterable[LearnedAlarms], promised: Callable[[AssetKey], float]) -> dict[AssetKey, Promise]:
    """Return the promise of each asset; `promised`: its false alarms a week."""
    return {of.key: promise(of, promised(of.key)) for of in learned}


def broken(found: Iterable[Promise]) -> list[Promise]:
    """Return the promises that are broken, in order of name."""
    return sorted(one for one in found if one.state is PromiseState.BROKEN)


def is_implausible(count: int, mean: float) -> bool:
    """Tell whether a Poisson count of this mean is so high, or higher, less often than by `CHANCE`.

    >>> is_implausible(6, 2.0), is_implausible(7, 2.0)
    (False, True)
    """
    return between(count, count, 1 - 2 * CHANCE).low > mean


def _state(count: int, allowed: float, watched_seconds: float) -> PromiseState:
    can_break = count >= LEAST_ALARMS and watched_seconds >= LEAST_SECONDS
    if can_break and allowed > 0 and is_implausible(count, allowed):
        return PromiseState.BROKEN
    return PromiseState.KEPT if allowed >= ENOUGH else PromiseState.UNVERIFIED


def _span(seconds: float) -> str:
    """Write how long it was watched.

    >>> _span(0.0), _span(7_200.0), _span(86_400.0), _span(9.5 * 86_400), _span(4 * WEEK_SECONDS)
    ('no time of watching', 'the last 2 hours of watching', 'the last 24 hours of watching', 'the last 9.5 days of \
watching', 'the last 4 weeks of watching')
    """
    if not seconds:
        return "no time of watching"
    sizes = (("weeks", WEEK_SECONDS), ("days", DAY_SECONDS), ("hours", 3_600.0), ("minutes", 60.0))
    unit, size = next((one for one in sizes if seconds >= 2 * one[1] - 1e-6), sizes[-1])
    return f"the last {round(seconds / size, 1):g} {unit} of watching"
