"""The newest rows of one asset: blocks as commits brought them, bounded in rows and, by the plant, in bytes."""

from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.outcomes import Rows

MOST_ROWS = 20_000
JOIN_BLOCKS = 256
JOINED_ROWS = 1_000
LEAST_STRETCHES = 8
OVERHEAD_BYTES = 700
"""What a block weighs besides its columns (measured: seven byte strings and a struct)."""


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
    """Holds the last rows of an asset, sensors that came later included."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._blocks: list[Rows] = []
        self._join_at = JOIN_BLOCKS
        self.rows = 0
        self.bytes = 0

    def add(self, rows: Rows) -> None:
        """Append rows; the oldest blocks make room."""
        self._blocks.append(rows)
        self.rows += len(rows.quality)
        self.bytes += _size(rows)
        while self.rows - len(self._blocks[0].quality) >= self._most_rows:
            self._drop_oldest()
        if len(self._blocks) >= self._join_at:
            self._blocks = _joined(self._blocks)
            self._join_at = len(self._blocks) + JOIN_BLOCKS
            self.bytes = sum(map(_size, self._blocks))

    def forget(self, share: float) -> None:
        """Drop about this share of the rows, the oldest first; the newest block stays."""
        keep = (1.0 - share) * self.rows
        while len(self._blocks) > 1 and self.rows > keep:
            self._drop_oldest()

    def view(self, span: timedelta | None = None, most_points: int | None = None) -> TrendView | None:
        """Return the rows of the last `span`, thinned to at most so many points; None where there are none."""
        if not self._blocks:
            return None
        newest = self._blocks[-1]
        earliest = -(1 << 62) if span is None else int(newest.times()[-1]) - span // timedelta(microseconds=1) * 1_000
        blocks = [block for block in self._blocks if block.times()[-1] >= earliest]
        times = np.concatenate([block.times() for block in blocks])
        score = np.concatenate([block.scores() for block in blocks])
        values = np.concatenate([_laid(block.values(), block.sensors, newest.sensors) for block in blocks])
        expected = np.concatenate([_laid(block.expectations(), block.sensors, newest.sensors) for block in blocks])
        share = newest.contributions()[-1].astype(np.float64)
        start = int(np.searchsorted(times, earliest))
        chosen = np.arange(start, len(times))
        if most_points is not None:
            chosen = start + thinned(score[start:], values[start:], most_points)
        return TrendView(newest.sensors, times[chosen], score[chosen], values[chosen], expected[chosen], share)

    def _drop_oldest(self) -> None:
        oldest = self._blocks.pop(0)
        self.rows -= len(oldest.quality)
        self.bytes -= _size(oldest)


def thinned(score: NDArray[np.float64], values: NDArray[np.float64], most_points: int) -> NDArray[np.intp]:
    """Choose at most `most_points` (4 or more) of n rows so that a chart of them looks like a chart of all.

    Each stretch of rows keeps its first and last one and the extremes of the score and the sensors (M4: Jugel et al.,
    VLDB 2014); where there are too many sensors for that, of the first ones.
    """
    count = len(score)
    if count <= most_points:
        return np.arange(count)
    most_columns = max((most_points // LEAST_STRETCHES - 2) // 2, 1)
    columns = np.concatenate((score[:, None], values), axis=1)[:, :most_columns]
    stretches = max(most_points // (2 * columns.shape[1] + 2), 1)
    edges = np.linspace(0, count, stretches + 1).astype(np.intp)
    chosen = [edges[:-1], edges[1:] - 1]
    for start, stop in pairwise(edges.tolist()):
        part = columns[start:stop]
        chosen.append(start + np.argmax(np.where(np.isnan(part), -np.inf, part), axis=0))
        chosen.append(start + np.argmin(np.where(np.isnan(part), np.inf, part), axis=0))
    return np.unique(np.concatenate(chosen))


def _laid(values: NDArray[np.floating], theirs: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.float64]:
    """Lay columns out in the order wanted; what was not there then is NaN."""
    if theirs == wanted:
        return values.astype(np.float64)
    laid = np.full((len(values), len(wanted)), np.nan)
    column_of = {sensor: number for number, sensor in enumerate(wanted)}
    for number, sensor in enumerate(theirs):
        if sensor in column_of:
            laid[:, column_of[sensor]] = values[:, number]
    return laid


def _joined(blocks: list[Rows]) -> list[Rows]:
    """Join neighbours of the same shape, so that many small steps do not make many small blocks."""
    joined: list[Rows] = []
    for block in blocks:
        last = joined[-1] if joined else None
        if last is not None and last.sensors == block.sensors and len(last.quality) < JOINED_ROWS:
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


def _size(rows: Rows) -> int:
    return OVERHEAD_BYTES + 17 * len(rows.quality) + 2 * len(rows.value)
