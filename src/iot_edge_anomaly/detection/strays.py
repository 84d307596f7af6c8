"""Rows of a lesson that stand far out: faults that were learned from, as likely as not."""

import numpy as np
from numpy.typing import NDArray

FAR = 12.0
"""So many times as far above the median as the upper quartile is."""

MOST = 0.1
"""A larger share of a lesson does not stand out of it: it is part of it."""

WEIGHT = 0.3
"""Of the newest row in the running average that is judged: one row alone is noise."""

AROUND = 3
"""So many rows before and after one that stands out belong to it."""

LEAST_SPREAD = 1e-3
"""Of a median, where more than a quarter of the rows are all alike."""


def running_average(oddness: NDArray[np.float64], weight: float, before: float = 1.0) -> NDArray[np.float64]:
    """Return the exponential average after each row (plain floats: ten times faster here than an array at a time)."""
    averages = np.empty_like(oddness)
    average = before
    for row, value in enumerate(oddness.tolist()):
        average += weight * (value - average)
        averages[row] = average
    return averages


def strays(oddness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows stand out, by how odd each of them (n,) is, in time order; 0 or more, in any unit.

    >>> calm = np.tile([1.0, 2.0, 3.0], 40)
    >>> strays(calm).any(), np.flatnonzero(strays(np.where(np.arange(120) == 60, 900.0, calm)))[[0, -1]]
    (np.False_, array([57, 70]))
    """
    median = float(np.median(oddness))
    average = running_average(oddness, WEIGHT, median)
    middle, upper = np.quantile(average, (0.5, 0.75)).tolist()
    far = middle + FAR * max(upper - middle, LEAST_SPREAD * middle)
    stands_out = average > max(far, float(np.quantile(average, 1.0 - MOST)))
    counts = np.convolve(stands_out, np.ones(2 * AROUND + 1, int), "same")
    return np.asarray(counts[: len(oddness)] > 0)
