"""Put a value where one is missing: the last one known for a while, then what the other sensors say."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix

HOLD_ROWS = 3
"""For so many rows a value stands for those missing after it; longer, and sensors that follow it would look odd."""

FOREVER = HOLD_ROWS + 1
"""The age of a value so old, or never there, that it says nothing."""

WORK_A_ROW = 10_000_000
"""So much work each row allows for solving, in multiplications: below a millisecond."""

MOST_WORK = 10_000_000_000
"""So much is saved up at most, or what the largest system takes: less than a second for 1,000 sensors."""

_CACHED_PATTERNS = 16

Ages = NDArray[np.int64]
"""Rows since each sensor was last known: 0 if in the last row, at most FOREVER."""


def hold(standard: Matrix, known: NDArray[np.bool_], last: Matrix, ages: Ages) -> tuple[Matrix, NDArray[np.int64]]:
    """Return rows with holes filled forward, and the age of each value; `last` and `ages` are of the row before."""
    numbers = np.arange(1, len(standard) + 1)[:, None]
    latest = np.maximum.accumulate(np.where(known, numbers, 0), axis=0)
    age = np.minimum(numbers - latest + np.where(latest == 0, ages, 0), FOREVER)
    held = np.take_along_axis(np.concatenate((last[None], standard)), latest, axis=0)
    return np.where(age <= HOLD_ROWS, held, 0.0), age


class Allowance(NamedTuple):
    """Work that may yet be spent on solving, and whether that for what is missing in the last row was granted."""

    work: int
    is_granted: bool

    @classmethod
    def full(cls, sensors: int) -> "Allowance":
        """Return what there is before the first row."""
        return cls(_most_work(sensors), False)

    def after(self, rows: int, sensors: int) -> "Allowance":
        """Return what there is after rows in which nothing was missing."""
        return Allowance(min(self.work + rows * WORK_A_ROW, _most_work(sensors)), self.is_granted and not rows)


def _most_work(sensors: int) -> int:
    return max(MOST_WORK, sensors**3)


class Imputer:
    """The mean of what is missing given what is there, under a Gaussian with this precision matrix.

    Lauritzen (1996), *Graphical Models*, proposition C.5. Thus a sensor that is away for long has no say in what is
    expected of the others. Each new set of missing sensors costs a system of equations. Where sets change so fast that
    the allowance is spent, what is missing stays at its mean until it lasts again.
    """

    def __init__(self, precision: Matrix) -> None:
        self._precision = precision
        self._weights: dict[bytes, Matrix] = {}

    def fill(
        self, standard: Matrix, missing: NDArray[np.bool_], before: NDArray[np.bool_], allowance: Allowance
    ) -> Allowance:
        """Fill the missing cells in place, row by row (a product over many rows could add in another order).

        `before`: what was missing in the row before. Return what is allowed after the last row.
        """
        sensors = missing.shape[1]
        for row, count in enumerate(missing.sum(axis=1).tolist()):
            pattern, work = missing[row], count * count * sensors
            left, is_granted = allowance.after(1, sensors).work, allowance.is_granted
            if not (is_granted and np.array_equal(pattern, before)):
                is_granted = 0 < work <= left
                left -= work if is_granted else 0
            if is_granted:
                standard[row, pattern] = self._weights_for(pattern) @ standard[row, ~pattern]
            allowance, before = Allowance(left, is_granted), pattern
        return allowance

    def _weights_for(self, pattern: NDArray[np.bool_]) -> Matrix:
        key = pattern.tobytes()
        weights = self._weights.get(key)
        if weights is None:
            across, within = self._precision[np.ix_(pattern, ~pattern)], self._precision[np.ix_(pattern, pattern)]
            weights = np.asarray(-np.linalg.solve(within, across), np.float64)
            if len(self._weights) >= _CACHED_PATTERNS:
                self._weights.clear()
            self._weights[key] = weights
        return weights
