"""Tables of readings in CSV files: a timestamp, one column a sensor, perhaps a label. Read in chunks.

The timestamp is ISO 8601, an epoch in seconds or milliseconds, or a plain row counter (first value below 10^8).
"""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import sensor_name

TIMESTAMP = "timestamp"
LABEL = "label"
CHUNK_CELLS = 500_000
COUNTER_BELOW = 1e8
MILLISECONDS_FROM = 1e11
GAP_INTERVALS = 1.5
"""Two rows further apart than so many intervals have a gap between them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_NS = (1 << 63) - 1


class _Reader(Protocol):
    """What `csv.reader` gives: the cells of each line, and the number of the line last read."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


class Chunk(NamedTuple):
    """Some rows of a file, in order: timestamps as written and in seconds (int64 ns), values, labels as written."""

    timestamps: list[str]
    times_ns: NDArray[np.int64]
    rows: Matrix
    labels: list[str]


class Table:
    """A CSV file whose header was read. Raises ConfigError or RejectedError naming file, line and column."""

    def __init__(self, path: Path, interval_seconds: float | None = None, ignore: Sequence[str] = ()) -> None:
        self.path = path
        self.interval_seconds = interval_seconds
        with self._reader() as reader:
            self._header = [name.strip() for name in next(reader, [])]
        skipped = {TIMESTAMP, LABEL, *ignore}
        self._columns = {self._name(name): at for at, name in enumerate(self._header) if name not in skipped}
        self.sensors = tuple(self._columns)
        self._check_header()

    def chunks(self, sensors: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Yield the rows, with the columns `sensors` in this order (default: all)."""
        chosen = self.sensors if sensors is None else sensors
        missing = [name for name in chosen if name not in self.sensors]
        if missing:
            raise ConfigError(f"{self.path} has no column {', '.join(map(repr, missing[:5]))}; the model needs it")
        columns = [self._columns[name] for name in chosen]
        size = max(CHUNK_CELLS // len(self._header), 1)
        clock: _Stamps | None = None
        with self._reader() as reader:
            next(reader)
            filled = ((reader.line_num, cells) for cells in reader if cells)
            while lines := list(islice(filled, size)):
                clock = clock or _Stamps(self.path, self._stamp(lines[0]), self.interval_seconds or 1.0)
                yield self._chunk(lines, columns, clock)

    def counter_ns(self) -> float:
        """Return for how many nanoseconds the timestamps count one; 0 where they are times, and where there is none."""
        with self._reader() as reader:
            next(reader)
            first = next((cells for cells in reader if cells), None)
        if first is None or len(first) != len(self._header):
            return 0.0
        number = _number(self._stamp((0, first)))
        return (self.interval_seconds or 1.0) * 1e9 if number is not None and _is_counter(number) else 0.0

    def _stamp(self, line: tuple[int, list[str]]) -> str:
        return line[1][self._header.index(TIMESTAMP)]

    def _chunk(self, lines: list[tuple[int, list[str]]], columns: list[int], clock: "_Stamps") -> Chunk:
        width = len(self._header)
        for number, cells in lines:
            if len(cells) != width:
                raise RejectedError(f"{self.path}, line {number}: {len(cells)} cells, but the header has {width}")
        stamps = [self._stamp(line) for line in lines]
        times = np.array(
            [clock.read(stamp, number) for stamp, (number, _) in zip(stamps, lines, strict=True)], np.int64
        )
        label = self._header.index(LABEL) if LABEL in self._header else None
        rows = np.empty((len(lines), len(columns)))
        for index, (number, cells) in enumerate(lines):
            try:
                rows[index] = [float(cells[column] or "nan") for column in columns]
            except ValueError:
                rows[index] = [self._cell(cells[column], number, column) for column in columns]
        return Chunk(stamps, times, rows, [] if label is None else [cells[label] for _, cells in lines])

    def _cell(self, text: str, line: int, column: int) -> float:
        text = text.strip()
        try:
            return float(text) if text else math.nan
        except ValueError:
            name = self._header[column]
            raise RejectedError(
                f"{self.path}, line {line}, column {name!r}: {text[:40]!r} is no number (missing? leave it empty)"
            ) from None

    def _name(self, column: str) -> str:
        try:
            return sensor_name(column)
        except RejectedError as error:
            raise RejectedError(f"{self.path}, line 1: {error}") from error

    def _check_header(self) -> None:
        if not self._header:
            raise RejectedError(f"{self.path} is empty: a line with column names is needed")
        if TIMESTAMP not in self._header:
            raise ConfigError(f"{self.path} has no column {TIMESTAMP!r}; its columns are {', '.join(self._header[:8])}")
        if not self.sensors:
            raise ConfigError(f"{self.path} has no sensor columns beside {', '.join(self._header)}")
        if len(set(self._header)) < len(self._header):
            twice = min(name for name in self._header if self._header.count(name) > 1)
            raise ConfigError(f"{self.path} has the column {twice!r} twice")

    @contextmanager
    def _reader(self) -> Iterator[_Reader]:
        """Open the file; whatever is wrong with its bytes becomes an error that names it."""
        try:
            with _open_text(self.path) as text:
                yield csv.reader(text)
        except UnicodeDecodeError as error:
            raise RejectedError(f"{self.path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
        except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise RejectedError(f"{self.path} cannot be read: {error}") from error
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror or error}") from error


class _Stamps:
    """How the timestamps of one file read, told from the first."""

    def __init__(self, path: Path, first: str, interval_seconds: float) -> None:
        self._path = path
        self._scale: float | None = None
        number = _number(first)
        if number is not None:
            self._scale = 1e6 if abs(number) >= MILLISECONDS_FROM else 1e9
            if _is_counter(number):
                self._scale = interval_seconds * 1e9

    def read(self, stamp: str, line: int) -> int:
        """Return nanoseconds. Raises RejectedError."""
        try:
            time_ns = self._nanoseconds(stamp)
        except (ValueError, OverflowError) as error:
            wanted = "a number as on the first line" if self._scale is not None else "ISO 8601"
            raise self._refused(stamp, line, f"is not {wanted}") from error
        if not -_LARGEST_NS <= time_ns <= _LARGEST_NS:
            raise self._refused(stamp, line, "is before 1678 or after 2261, farther than times are counted")
        return time_ns

    def _nanoseconds(self, stamp: str) -> int:
        if self._scale is not None:
            return round(float(stamp) * self._scale)
        time = datetime.fromisoformat(stamp.strip())
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(microseconds=1) * 1000

    def _refused(self, stamp: str, line: int, why: str) -> RejectedError:
        return RejectedError(f"{self._path}, line {line}, column {TIMESTAMP!r}: {stamp[:40]!r} {why}")


class History(NamedTuple):
    """A whole file in memory; `starts` marks rows after a gap or a step back in time."""

    times_ns: NDArray[np.int64]
    rows: Matrix
    labels: list[str]
    starts: NDArray[np.bool_]
    interval_seconds: float


def read_history(table: Table) -> History:
    """Read all rows. Raises RejectedError if there are none."""
    chunks = list(table.chunks())
    if not chunks:
        raise RejectedError(f"{table.path} has column names but no rows")
    times = np.concatenate([chunk.times_ns for chunk in chunks])
    rows = np.concatenate([chunk.rows for chunk in chunks])
    labels = [label for chunk in chunks for label in chunk.labels]
    steps = np.diff(times)
    forward = steps[steps > 0]
    interval = float(np.median(forward)) if len(forward) else 1e9
    starts = np.ones(len(times), bool)
    starts[1:] = (steps <= 0) | (steps > GAP_INTERVALS * interval)
    return History(times, rows, labels, starts, interval / 1e9)


def _is_counter(number: float) -> bool:
    return 0 <= number < COUNTER_BELOW


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")
