"""Three exponential averages of what is odd, each with a limit of its own; the one farthest above its limit speaks.

A short average sees a spike, a long one a small fault that stays. Averaged with each other they blur both; held each
against its own null distribution, neither has to know how long faults last.
"""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.strays import running_average, strays
from iot_edge_anomaly.detection.threshold import LEAST, is_expected, threshold_for_budget

SMOOTHING = np.array([0.3, 0.1, 0.03])
"""Weights of the newest row in the three averages."""

_KEPT = 1.0 - SMOOTHING[:, None]

SPREADS = 10.0
"""Averages are compared as many spreads above their medians as an alarm usually is."""

LEAST_SPREAD = 1e-3
"""Of a null distribution that has none: a plant that stood still while it was learned."""


def smooth(averages: Matrix, share: Matrix, judged: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
    """Return the averages (..., 3, k) after all rows, and their values at each row; zero where nothing was judged.

    A row with nothing to judge leaves them. Of windows, either all have something to judge in a row or none.
    """
    pushed = SMOOTHING[:, None] * share[..., None, :]
    trace = np.zeros(pushed.shape)
    current = averages
    for row in np.flatnonzero(judged.all(axis=tuple(range(1, judged.ndim)))).tolist():
        latest = trace[row]
        np.multiply(current, _KEPT, out=latest)
        latest += pushed[row]
        current = latest
    return current.copy(), trace


def farthest(trace: Matrix, limits: NDArray[np.float64]) -> Matrix:
    """Return of each row what each sensor adds to the average that is farthest above its limit (above 1 in all).

    Who adds how much, the shortest average tells: in longer ones those who were odd before still have a part.
    """
    score = (trace.sum(axis=-1) / limits).max(axis=-1, keepdims=True)
    shortest = trace[..., 0, :]
    chosen: Matrix = shortest * (score / np.maximum(shortest.sum(axis=-1, keepdims=True), np.finfo(float).tiny))
    return chosen


def limits_for_budget(
    oddness: NDArray[np.float64], *, rows_per_week: float, false_alarms_per_week: float
) -> NDArray[np.float64]:
    """Return the limits (3,) that are passed as often as the budget allows.

    `oddness` (n,): of normal rows in time order that were not learned from, 1 on average. Where the budget is frequent
    enough for one alarm in them, rows that stand far out do not count; else they are all that is known of the tail.
    """
    if is_expected(len(oddness), rows_per_week=rows_per_week, false_alarms_per_week=false_alarms_per_week):
        oddness = oddness[~strays(oddness)]
    averages = [running_average(oddness, weight) for weight in SMOOTHING.tolist()]
    units = np.array([_unit(average) for average in averages])
    loudest = np.max([average / unit for average, unit in zip(averages, units, strict=True)], axis=0)
    usual = float(loudest.mean())
    threshold = threshold_for_budget(
        loudest / usual, rows_per_week=rows_per_week, false_alarms_per_week=false_alarms_per_week
    )
    return np.maximum(units * usual * threshold, LEAST)


def _unit(average: NDArray[np.float64]) -> float:
    """Return the height at which averages are compared: the median, and so many mean excesses over it."""
    median = float(np.median(average))
    spread = 2.0 * float(np.maximum(average - median, 0.0).mean())
    return median + SPREADS * max(spread, LEAST_SPREAD)
