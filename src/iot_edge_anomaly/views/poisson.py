"""How sure a small count makes of a rate: the exact interval of a Poisson mean. Pure.

F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936) 437-442: the limits are the means for
which so few, or so many, as were counted would come up with a chance of half of what is left to error.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
_HALVINGS = 60


class Interval(NamedTuple):
    """The least and the greatest mean that a count does not speak against."""

    low: float
    high: float


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the exact interval of the mean of a Poisson count; it holds at least as often as `confidence` says.

    >>> [round(limit, 3) for limit in poisson_interval(3)]
    [0.619, 8.767]
    """
    return between(count, count, confidence)


@lru_cache(4096)  # a page asks for the few counts of all assets each two seconds
def between(least: int, most: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval where the count is not known but for its bounds: low of the one, high of the other."""
    chance = (1 - confidence) / 2
    low = 0.0 if least == 0 else _mean_where(least - 1, 1 - chance)
    return Interval(low, _mean_where(most, chance))


def _mean_where(count: int, chance: float) -> float:
    """Return the mean of which `count` or fewer come up with this chance; the greater the mean, the smaller it is."""
    numbers = np.arange(count + 1)
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(numbers[1:])))) if count else np.zeros(1)

    def chance_at(mean: float) -> float:
        return float(np.exp(numbers * np.log(mean) - mean - log_factorials).sum())

    low, high = 0.0, count + 10.0 * np.sqrt(count + 1.0) + 10.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if chance_at(middle) > chance else (low, middle)
    return float(high)
