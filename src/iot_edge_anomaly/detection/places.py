"""What a single sensor is compared with besides its past: the places where it has been.

With no other sensor to say what a value should be, a value is odd where it never was while all was well. A place is the
value and the mean of the last rows, so that a usual value at an unusual time counts as well. A row is as odd as it is
far from the nearest places known (Ramaswamy et al. 2000: distance to the k nearest neighbours).
"""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.blocks import matmul_by_block

PLACES = 300
NEIGHBOURS = 3
WINDOW_ROWS = 64
_ROWS_AT_ONCE = 256


def places_of(tail: Matrix, rows: int, count: int) -> Matrix:
    """Return the places (rows, ..., 2) of the last `rows` rows of `tail`; `count` rows were seen before them.

    `tail` (WINDOW_ROWS - 1 or more + rows, ..., 1), 0 where no row was seen yet.
    """
    first = len(tail) - rows - WINDOW_ROWS + 1
    window = np.concatenate([tail[first + row : first + row + rows] for row in range(WINDOW_ROWS)], axis=-1)
    sums = matmul_by_block(window, np.ones((WINDOW_ROWS, 1)), count)
    seen = np.minimum(np.arange(count + 1, count + rows + 1), WINDOW_ROWS)
    return np.concatenate((tail[len(tail) - rows :], sums / seen.reshape(-1, *[1] * (sums.ndim - 1))), axis=-1)


def learned_places(places: Matrix, folds: list[slice]) -> tuple[Matrix, NDArray[np.float64]]:
    """Return up to `PLACES` of them (n, 2), spread evenly, and how far each (n,) is from those of other folds."""
    chosen = np.unique(np.linspace(0, len(places) - 1, PLACES).astype(int))
    held_out = np.empty(len(places))
    for fold in folds:
        others = chosen[(chosen < fold.start) | (chosen >= fold.stop)]
        held_out[fold] = distances(places[fold], places[others])
    return places[chosen], held_out


def distances(places: Matrix, known: Matrix) -> NDArray[np.float64]:
    """Return how far places (n, ..., 2) are from the nearest known ones (m, 2): root mean square of both parts."""
    found = np.empty(places.shape[:-1])
    for begin in range(0, len(places), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        squares = np.square(places[rows, ..., :1] - known[:, 0])
        squares += np.square(places[rows, ..., 1:] - known[:, 1])
        nearest = np.partition(squares, min(NEIGHBOURS, len(known)) - 1, axis=-1)[..., :NEIGHBOURS]
        found[rows] = np.sqrt(nearest.mean(axis=-1) / 2.0)
    return found
