"""The newest rows of one asset in columns that grow in place, bounded in rows and, by the plant, in bytes."""

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.outcomes import Rows
from iot_edge_anomaly.core.stretch import Stretch
from iot_edge_anomaly.core.thinning import thinned

MOST_ROWS = 20_000
LEAST_ROOM = 16
OVERHEAD_BYTES = 1_000
"""What the columns of an asset weigh besides their rows."""


ROW_BYTES, SENSOR_BYTES = 17, 16
"""What a row weighs: time, score and quality; and value, expected value and contribution of each sensor."""


class Trend:
    """Holds the last rows of an asset, sensors that came later included.

    Rows are written once, behind those before; when the columns are full the rows that stay move to new ones. So a view
    is a slice of the columns, at no cost, and what it shows never changes.
    """

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._start = self._end = 0
        self._columns = Stretch.empty((), 0)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._end - self._start

    @property
    def bytes(self) -> int:
        """What the rows weigh; as much as half of it again may be reserved for those that follow."""
        return OVERHEAD_BYTES + self.rows * (ROW_BYTES + SENSOR_BYTES * len(self._columns.sensors))

    def add(self, rows: Rows) -> None:
        """Append rows; the oldest make room."""
        count = len(rows.quality)
        if rows.sensors != self._columns.sensors or self._end + count > len(self._columns.times):
            self._move(rows.sensors, count)
        place, columns = slice(self._end, self._end + count), self._columns
        columns.times[place], columns.score[place] = rows.times(), rows.scores()
        columns.values[place], columns.expected[place] = rows.values(), rows.expectations()
        columns.contributions[place], columns.quality[place] = rows.contributions(), rows.qualities()
        self._end += count
        self._start = max(self._start, self._end - self._most_rows)

    def forget(self, share: float) -> None:
        """Drop this share of the rows, the oldest first; the newest one stays."""
        self._start = min(self._start + int(share * self.rows) + 1, max(self._end - 1, self._start))
        if len(self._columns.times) > 2 * self.rows + LEAST_ROOM:
            self._move(self._columns.sensors, 0)

    def view(self, span: timedelta | None = None, most_points: int | None = None) -> Stretch | None:
        """Return the rows of the last `span`, thinned to at most so many points; None where there are none."""
        if not self.rows:
            return None
        start, columns = self._start, self._columns
        if span is not None:
            earliest = int(columns.times[self._end - 1]) - span // timedelta(microseconds=1) * 1_000
            start += int(np.searchsorted(columns.times[start : self._end], earliest))
        chosen: slice | NDArray[np.intp] = slice(start, self._end)
        if most_points is not None:
            chosen = start + thinned(columns.score[chosen], columns.values[chosen], most_points)
        return columns.at(chosen)

    def _move(self, sensors: tuple[str, ...], more: int) -> None:
        """Move the rows that stay to columns of these sensors with room for so many more, and some."""
        keep = min(self.rows, self._most_rows)
        moved = Stretch.empty(sensors, keep + more + max(keep // 4, LEAST_ROOM))
        _copy(self._columns, slice(self._end - keep, self._end), moved)
        self._columns, self._start, self._end = moved, 0, keep


def _copy(of: Stretch, rows: slice, to: Stretch) -> None:
    """Copy rows to the beginning of other columns; what a sensor that came later read before is not known."""
    count = rows.stop - rows.start
    to.times[:count], to.score[:count], to.quality[:count] = of.times[rows], of.score[rows], of.quality[rows]
    column_of = {sensor: number for number, sensor in enumerate(to.sensors)}
    known = [(here, column_of[name]) for here, name in enumerate(of.sensors) if name in column_of]
    here, there = [list(numbers) for numbers in zip(*known, strict=True)] or [[], []]
    for source, target in ((of.values, to.values), (of.expected, to.expected), (of.contributions, to.contributions)):
        target[:count] = np.nan
        target[:count, there] = source[rows][:, here]
