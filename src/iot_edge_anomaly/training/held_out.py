"""How far a method errs on rows that it has not learned from: what to expect of it in operation."""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Fit, Matrix

MOST_ROWS = 20_000
"""So many of the newest rows are enough; they bound what this costs to less than a fit of so many."""

BUDGET = 1.0
"""Errors do not depend on a threshold: any will do."""


def held_out_errors(
    fit: Fit, rows: Matrix, sensors: tuple[str, ...], rows_per_week: float, starts: NDArray[np.bool_]
) -> Matrix:
    """Return how far values of rows (n, k) are from what was expected, each half by a model of the other half.

    In the sensors' own units. NaN where a value is missing or nothing was expected of it: all of them where half the
    rows are too few to learn from, or where a method predicts nothing. Of more rows the newest 20,000. Deterministic.
    """
    rows, starts = rows[-MOST_ROWS:], starts[-MOST_ROWS:]
    half = len(rows) // 2
    return np.concatenate(
        (
            _errors(fit, rows[half:], starts[half:], rows[:half], sensors, rows_per_week),
            _errors(fit, rows[:half], starts[:half], rows[half:], sensors, rows_per_week),
        )
    )


def _errors(
    fit: Fit, rows: Matrix, starts: NDArray[np.bool_], judged: Matrix, sensors: tuple[str, ...], rows_per_week: float
) -> Matrix:
    starts = np.concatenate(([True], starts[1:]))[: len(starts)]
    try:
        detector = fit(rows, sensors, rows_per_week=rows_per_week, false_alarms_per_week=BUDGET, starts=starts)
    except ValueError:
        return np.full(judged.shape, np.nan)
    _, scores = detector.score(detector.start(), judged)
    return np.abs(judged - scores.expected)
