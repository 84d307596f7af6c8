"""Three exponential averages of what is odd, each with a limit of its own; the one farthest above its limit speaks.

A short average sees a spike, a long one a small fault that stays. Averaged with each other they blur both; held each
against its own null distribution, neither has to know how long faults last.

Which sensors are behind it is told by what changed: by how far the short average of each has moved away from its long
one, up or down, because what was odd all along is no news. A sensor that is stuck is often not odd at all, only too
calm: so two more averages follow how far each sensor moves from row to row, of late and usually, and what it moves less
counts as well.
"""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.strays import running_average, strays
from iot_edge_anomaly.detection.threshold import LEAST, is_expected, threshold_for_budget

SMOOTHING = np.array([0.3, 0.1, 0.03])
"""Weights of the newest row in the three averages."""

MOVING = np.array([0.1, 0.01])
"""Weights of the newest row in the two averages of how far a sensor moves: of late, and usually."""

AVERAGES = len(SMOOTHING) + len(MOVING)
_KEPT = 1.0 - np.concatenate((SMOOTHING, MOVING))[:, None]

STANDING = 0.5
"""So much of what is odd of a sensor counts although it may have been as odd for long."""

CALM = 2.0
"""How much moving less counts, beside being odd; both in units of what is usual."""

_TINY = np.finfo(float).tiny

SPREADS = 10.0
"""Averages are compared as many spreads above their medians as an alarm usually is."""

LEAST_SPREAD = 1e-3
"""Of a null distribution that has none: a plant that stood still while it was learned."""


def smooth(averages: Matrix, share: Matrix, moved: Matrix, judged: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
    """Return the averages (..., 5, k) after all rows, and their values at each row; zero where nothing was judged.

    `share` (n, ..., k): what each sensor adds to how odd a row is; `moved` likewise: to how far sensors move. A row
    with nothing to judge leaves the averages. Of windows, either all have something to judge in a row or none.
    """
    trace = np.empty((*share.shape[:-1], AVERAGES, share.shape[-1]))
    np.multiply(SMOOTHING[:, None], share[..., None, :], out=trace[..., : len(SMOOTHING), :])
    np.multiply(MOVING[:, None], moved[..., None, :], out=trace[..., len(SMOOTHING) :, :])
    current, kept = averages, np.empty_like(averages)
    all_judged: NDArray[np.bool_] = np.all(judged.reshape(len(judged), -1), axis=1)
    for is_judged, latest in zip(all_judged.tolist(), trace, strict=True):
        if is_judged:
            np.multiply(current, _KEPT, out=kept)
            latest += kept
            current = latest
        else:
            latest[...] = 0.0
    return current.copy(), trace


def farthest(trace: Matrix, limits: NDArray[np.float64]) -> Matrix:
    """Return of each row (n, ..., 1) the average that is farthest above its limit, in units of that: above 1 is odd."""
    highest: Matrix = (trace[..., : len(SMOOTHING), :].sum(axis=-1) / limits).max(axis=-1, keepdims=True)
    return highest


def shared(score: Matrix, trace: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Return what each sensor (n, ..., k) adds to the scores of rows (n, ..., 1).

    A sensor that is not known (n, ..., k) adds nothing new.
    """
    chosen = _changed(trace)
    chosen *= known
    chosen += STANDING * trace[..., 0, :]
    chosen *= score / np.maximum(chosen.sum(axis=-1, keepdims=True), _TINY)
    return chosen


def _changed(trace: Matrix) -> Matrix:
    """Return how far each sensor is from what it was: odder or less odd, or calmer."""
    short, _, long, lately, usually = (trace[..., number, :] for number in range(AVERAGES))
    changed, calmer = short - long, usually - lately
    np.abs(changed, out=changed)
    np.maximum(calmer, 0.0, out=calmer)
    calmer *= CALM
    changed += calmer
    return changed


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
