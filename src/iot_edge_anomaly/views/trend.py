"""The newest rows of one asset, in a ring that grows with its sensors and is bounded in rows."""

from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.outcomes import Rows

ROWS = 20_000


class TrendView(NamedTuple):
    """Rows of an asset in time order: n rows by k sensors; NaN where nothing is known.

    `times` int64 ns (n,); `score` (n,); `values` and `expected` (n, k); `share` (k,) of the newest score.
    """

    sensors: tuple[str, ...]
    times: NDArray[np.int64]
    score: NDArray[np.float64]
    values: NDArray[np.float64]
    expected: NDArray[np.float64]
    share: NDArray[np.float64]


class Trend:
    """Holds the last rows of an asset; float32, since it is for eyes."""

    def __init__(self, most_rows: int = ROWS) -> None:
        self._most_rows = most_rows
        self._blocks: list[Rows] = []
        self._count = 0

    def add(self, rows: Rows) -> None:
        """Append rows; the oldest blocks make room."""
        self._blocks.append(rows)
        self._count += len(rows.quality)
        while self._count - len(self._blocks[0].quality) >= self._most_rows:
            self._count -= len(self._blocks.pop(0).quality)
        if len(self._blocks) > 256:
            self._blocks = _joined(self._blocks)

    def newest(self) -> Rows | None:
        """Return the block of rows that came last."""
        return self._blocks[-1] if self._blocks else None

    def view(self, span: timedelta | None = None, most_points: int | None = None) -> TrendView | None:
        """Return the rows of the last `span`, thinned to about `most_points`; None where there are none."""
        if not self._blocks:
            return None
        sensors = self._blocks[-1].sensors
        times = np.concatenate([block.times() for block in self._blocks])
        start = 0 if span is None else int(np.searchsorted(times, times[-1] - span / timedelta(microseconds=1) * 1e3))
        score = np.concatenate([block.scores() for block in self._blocks])[start:]
        values = np.concatenate([_columns(block.values(), block.sensors, sensors) for block in self._blocks])[start:]
        expected = np.concatenate([_columns(block.expectations(), block.sensors, sensors) for block in self._blocks])[
            start:
        ]
        share = self._blocks[-1].contributions()[-1].astype(np.float64)
        chosen = slice(None) if most_points is None else thinned(score, values, most_points)
        return TrendView(sensors, times[start:][chosen], score[chosen], values[chosen], expected[chosen], share)


def thinned(score: NDArray[np.float64], values: NDArray[np.float64], most_points: int) -> NDArray[np.intp]:
    """Choose rows so that each stretch keeps the extremes of score and sensors (after M4: Jugel 2014)."""
    count = len(score)
    if count <= most_points:
        return np.arange(count)
    columns = np.concatenate((score[:, None], values), axis=1)
    stretches = max(most_points // (2 * columns.shape[1] + 2), 1)
    edges = np.linspace(0, count, stretches + 1).astype(int)
    chosen = [edges[:-1], edges[1:] - 1]
    for start, stop in pairwise(edges.tolist()):
        part = columns[start:stop]
        chosen += [start + np.argmax(np.where(np.isnan(part), -np.inf, part), axis=0)]
        chosen += [start + np.argmin(np.where(np.isnan(part), np.inf, part), axis=0)]
    return np.unique(np.concatenate(chosen))


def _columns(values: NDArray[np.floating], theirs: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.float64]:
    if theirs == wanted:
        return values.astype(np.float64)
    laid = np.full((len(values), len(wanted)), np.nan)
    for number, sensor in enumerate(theirs):
        if sensor in wanted:
            laid[:, wanted.index(sensor)] = values[:, number]
    return laid


def _joined(blocks: list[Rows]) -> list[Rows]:
    """Join neighbours of the same shape, so that many small steps do not make many small blocks."""
    joined: list[Rows] = []
    for block in blocks:
        last = joined[-1] if joined else None
        if last is not None and last.sensors == block.sensors and len(last.quality) < 1_000:
            joined[-1] = Rows(
                block.sensors,
                last.time_ns + block.time_ns,
                last.value + block.value,
                last.score + block.score,
                last.quality + block.quality,
                last.expected + block.expected,
                last.contribution + block.contribution,
                block.phase,
                block.model,
            )
        else:
            joined.append(block)
    return joined
