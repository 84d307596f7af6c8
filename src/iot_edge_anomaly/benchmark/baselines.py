"""What a peer to compare with is, and the trivial ones: they need no library.

A peer is fitted on training rows and then scores what follows, all in units of the training rows' deviation and
without holes. It has no threshold of its own: what it said of the training rows gives it one.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix

Vector = NDArray[np.float64]

WINDOW = 100
LEAST_DEVIATION = 1e-3
"""In units of the training deviation: a sensor that stood still must not divide by nothing."""

STILL = 1e-9
"""A sensor that deviated less in training stood still, and keeps its own units."""


class Fitted(NamedTuple):
    """A peer that has learned: its scores of training rows (once it has run in), and how it scores what follows."""

    training: Vector
    score: Callable[[Matrix], Vector]


Baseline = Callable[[Matrix], Fitted]


def moving_zscore(train: Matrix) -> Fitted:
    """Score by the root mean square, over sensors, of the deviation from the last 100 rows in units of their spread."""
    first = min(WINDOW, len(train) // 2)
    return Fitted(_deviation(train[:first], train[first:]), partial(_deviation, train[-WINDOW:]))


def last_value(train: Matrix) -> Fitted:
    """Score by the root mean square, over sensors, of the change since the row before."""
    return Fitted(_change(train[:1], train[1:]), partial(_change, train[-1:]))


def run_in(scores: Vector, rows: int) -> Vector:
    """Leave out the scores of the first rows, by which a method only gets going; of a short lesson, half at most."""
    return scores[min(rows, len(scores) // 2) :]


def without_holes(rows: Matrix) -> Matrix:
    """Fill forward, then with 0: baselines take no missing values."""
    known = np.isfinite(rows)
    latest = np.maximum.accumulate(np.where(known, np.arange(len(rows))[:, None], 0), axis=0)
    filled: Matrix = np.take_along_axis(np.where(known, rows, np.nan), latest, axis=0)
    return np.asarray(np.nan_to_num(filled, nan=0.0), np.float64)


def standardised(train: Matrix, test: Matrix) -> tuple[Matrix, Matrix]:
    """Return both without holes, in units of the training rows' deviation from their mean.

    >>> standardised(np.array([[1.0], [3.0]]), np.array([[4.0], [np.nan]]))[1].tolist()
    [[2.0], [2.0]]
    """
    train, test = without_holes(train), without_holes(test)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation < STILL] = 1.0
    return (train - mean) / deviation, (test - mean) / deviation


def _deviation(before: Matrix, after: Matrix) -> Vector:
    rows = np.concatenate((before, after))
    sums, squares = (
        np.concatenate((np.zeros((1, rows.shape[1])), np.cumsum(part, axis=0))) for part in (rows, rows**2)
    )
    ends = np.arange(len(before), len(rows))
    begins = ends - len(before)
    centre = (sums[ends] - sums[begins]) / len(before)
    spread = np.sqrt(np.maximum((squares[ends] - squares[begins]) / len(before) - centre**2, 0.0))
    distance = (rows[ends] - centre) / np.maximum(spread, LEAST_DEVIATION)
    return np.asarray(np.sqrt((distance**2).mean(axis=1)), np.float64)


def _change(before: Matrix, after: Matrix) -> Vector:
    steps = np.diff(np.concatenate((before, after)), axis=0)
    return np.asarray(np.sqrt((steps**2).mean(axis=1)), np.float64)
