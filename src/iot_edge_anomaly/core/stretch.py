"""Scored rows of an asset over a time, as columns."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.thinning import thinned

_Number = TypeVar("_Number", np.float32, np.float64)


class Stretch(NamedTuple):
    """Scored rows of an asset in the order of time: n rows by k sensors; NaN where nothing is known.

    `times` int64 ns (n,); `score` float64 (n,); `values` float64, `expected` and `contributions` float32 (n, k);
    `quality` uint8 (n,), index into ROW_QUALITIES.
    """

    sensors: tuple[str, ...]
    times: NDArray[np.int64]
    score: NDArray[np.float64]
    values: NDArray[np.float64]
    expected: NDArray[np.float32]
    contributions: NDArray[np.float32]
    quality: NDArray[np.uint8]

    @classmethod
    def empty(cls, sensors: tuple[str, ...], rows: int) -> "Stretch":
        """Return room for so many rows, filled with nothing in particular."""
        shape = (rows, len(sensors))
        return cls(
            sensors,
            np.empty(rows, np.int64),
            np.empty(rows),
            np.empty(shape),
            np.empty(shape, np.float32),
            np.empty(shape, np.float32),
            np.empty(rows, np.uint8),
        )

    def at(self, rows: slice | NDArray[np.intp]) -> "Stretch":
        """Return some of the rows; of a slice no copies are made."""
        return Stretch(
            self.sensors,
            self.times[rows],
            self.score[rows],
            self.values[rows],
            self.expected[rows],
            self.contributions[rows],
            self.quality[rows],
        )

    def thin(self, most_points: int) -> "Stretch":
        """Return at most so many rows (4 or more), a chart of which looks like a chart of all (M4)."""
        return self.at(thinned(self.score, self.values, most_points))


def joined(parts: Sequence[Stretch]) -> Stretch:
    """Join parts that follow each other, each of which may know other sensors."""
    sensors = tuple(dict.fromkeys(name for part in parts for name in part.sensors))
    return Stretch(
        sensors,
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([widened(part.values, part.sensors, sensors) for part in parts]),
        np.concatenate([widened(part.expected, part.sensors, sensors) for part in parts]),
        np.concatenate([widened(part.contributions, part.sensors, sensors) for part in parts]),
        np.concatenate([part.quality for part in parts]),
    )


def widened(matrix: NDArray[_Number], known: Sequence[str], sensors: Sequence[str]) -> NDArray[_Number]:
    """Bring columns of some sensors into the order of all; NaN where one is not known."""
    filled = np.full((len(matrix), len(sensors)), np.nan, matrix.dtype)
    filled[:, [sensors.index(name) for name in known]] = matrix
    return filled
