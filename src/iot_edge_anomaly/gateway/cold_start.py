"""A first opinion on a window of sensors that no model knows: is the last row like those before it?

Normal theory for one further observation (Hahn and Meeker, Statistical Intervals, 1991, section 4.7): a value leaves
the prediction interval of the rows before it with probability `ALPHA`, shared among the sensors (Bonferroni). It
knows nothing of the machine: whoever shows it calls it provisional.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ALPHA = 1e-4
FEWEST_ROWS = 4
"""Rows with a value before the last one that a sensor needs to be judged."""


class FirstOpinion(NamedTuple):
    """`score` above 1: odd. `expected` and `contribution` one a sensor; NaN and 0 where there was nothing to go by."""

    score: float
    expected: NDArray[np.float64]
    contribution: NDArray[np.float64]
    judged: int


def first_opinion(rows: NDArray[np.float64]) -> FirstOpinion:
    """Compare the last of n rows of k sensors (NaN: missing) with those before it.

    >>> calm = np.sin(np.arange(20.0))[:, None]
    >>> first_opinion(calm).score < 1 < first_opinion(np.vstack([calm, [[9.0]]])).score
    True
    """
    before, last = rows[:-1], rows[-1]
    known = np.isfinite(before)
    count = known.sum(axis=0)
    judged = (count >= FEWEST_ROWS) & np.isfinite(last)
    filled = np.where(known, before, 0.0)
    safe = np.maximum(count, 2)
    mean = filled.sum(axis=0) / safe
    spread = np.sqrt((np.where(known, before - mean, 0.0) ** 2).sum(axis=0) / (safe - 1))
    # A sensor that stood still has no spread: any change of more than rounding is then beyond its interval.
    floor = 1e-9 * np.maximum(np.abs(mean), 1.0)
    limits = np.array([_limit(int(n), int(judged.sum())) for n in safe])
    ratio = np.where(judged, np.abs(last - mean) / (np.maximum(spread, floor) * limits), 0.0)
    score = float(ratio.max(initial=0.0))
    total = float(ratio.sum())
    contribution = ratio * (score / total) if total > 0 else np.zeros_like(ratio)
    return FirstOpinion(score, np.where(judged, mean, np.nan), contribution, int(judged.sum()))


@lru_cache(maxsize=4096)
def _limit(count: int, sensors: int) -> float:
    return _student_quantile(1 - ALPHA / (2 * max(sensors, 1)), count - 1) * math.sqrt(1 + 1 / count)


def _student_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t (Hill, Algorithm 396, Comm. ACM 13, 1970), for probability above one half."""
    two_sided = 2 * (1 - probability)
    if freedom == 1:
        return 1 / math.tan(two_sided * math.pi / 2)
    if freedom == 2:
        return math.sqrt(2 / (two_sided * (2 - two_sided)) - 2)
    a = 1 / (freedom - 0.5)
    b = 48 / a**2
    c = ((20_700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * freedom
    y = (d * two_sided) ** (2 / freedom)
    if y > a + 0.05:
        x = NormalDist().inv_cdf(two_sided / 2)
        y = x * x
        if freedom < 5:
            c += 0.3 * (freedom - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = a * y * y
        y = 0.5 * y * y + y if y <= 0.002 else math.exp(y) - 1
    else:
        inner = 1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3) + 0.5 / (freedom + 4)
        y = (inner * y - 1) * (freedom + 1) / (freedom + 2) + 1 / y
    return math.sqrt(freedom * y)
