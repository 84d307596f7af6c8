"""Whether the first sensors of a ranking name a right one, and how often chance would. Pure."""

from collections.abc import Collection
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FIRST = 3
"""So many sensors a person looks at."""

STILL = 1e-9
"""A sensor that deviated less in training, in units of its mean, stood still."""


def ranking(parts: NDArray[np.float64]) -> list[int]:
    """Return the numbers of the columns of parts (n, k), that with the greatest sum over the rows first.

    What is missing counts as nothing; of equals the one further left is first.

    >>> ranking(np.array([[1.0, 0.0, 2.0], [1.0, 5.0, np.nan]]))
    [1, 0, 2]
    """
    order: list[int] = np.argsort(-np.nan_to_num(parts).sum(axis=0), kind="stable").tolist()
    return order


def is_named(order: list[int], right: Collection[int], first: int = FIRST) -> bool:
    """Return whether one of the right columns is among the first of a ranking."""
    return not set(right).isdisjoint(order[:first])


def chance(columns: int, right: int, first: int = FIRST) -> float:
    """Return how probably one of `right` columns is among the first of a random ranking: hypergeometric, exact.

    >>> chance(8, 1), chance(4, 2), chance(9, 0)
    (0.375, 1.0, 0.0)
    """
    shown = min(first, columns)
    return 1.0 - comb(columns - right, shown) / comb(columns, shown)


def zscores(train: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many deviations of its training rows (m, k) each value of rows (n, k) is from their mean.

    The plain way of ranking sensors.
    """
    scale = learn_scale(train)
    return np.asarray(np.abs(rows - scale.mean) / scale.deviation, np.float64)


class Scale(NamedTuple):
    """Of each of k sensors: mean and deviation over the training rows, and whether it moved in them.

    A sensor that stood still, or never spoke, has deviation 1: it keeps its own units.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    moves: NDArray[np.bool_]


def learn_scale(train: NDArray[np.float64]) -> Scale:
    """Learn the scale of training rows (m, k), NaN where a value is missing."""
    known = np.isfinite(train)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, train, 0.0).sum(axis=0) / counts
    deviation = np.sqrt((np.where(known, train - mean, 0.0) ** 2).sum(axis=0) / counts)
    moves = deviation > STILL * np.maximum(np.abs(mean), 1.0)
    return Scale(mean, np.where(moves, deviation, 1.0), moves)
