"""A CSV file as numbered rows: the same file always gives the same numbers, so that reading it twice counts once."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from itertools import count, islice, zip_longest
from pathlib import Path
from typing import NamedTuple, TextIO

from iot_edge_anomaly.connectors.rows import MAX_SENSORS
from iot_edge_anomaly.connectors.times import EARLIEST_NS
from iot_edge_anomaly.core.errors import ConfigError

BLOCK_ROWS = 100
BLOCK_CELLS = 20_000
"""A block of this many values fits one message of the bus and one request, whatever their names."""

COUNTER_BELOW = 1e8
"""A first time below this is no time since 1970 but a plain count of rows, taken to start in the year 2000."""

LABEL = "label"
_TIMES = ("time", "timestamp")

Row = dict[str, object]


class Block(NamedTuple):
    """Rows that travel together. `first` counts data rows from 0."""

    sequence: int
    first: int
    rows: list[Row]


def source_of(path: Path) -> str:
    """Return a name for the file and its content, which tells its numbers from those of the file before a change.

    Raises ConfigError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    shown = "".join(char if char.isprintable() else "?" for char in path.name)
    return f"{shown.encode()[:100].decode(errors='ignore')}#{digest[:16]}"


def blocks(path: Path, row_seconds: float = 1.0) -> Iterator[Block]:
    """Yield the rows of a file, also a gzipped one, with a header line, its cells parted by `,`, `;` or tabs.

    A column `time` or `timestamp` tells the time; where it counts rows they are `row_seconds` apart. Empty cells are
    left out, and so is a column `label`; a column without a name is `column_<n>`. Raises ConfigError when the file is
    no such CSV.
    """
    try:
        with _opened(path) as file:
            header, delimiter = _header(path, file)
            rows = _rows(csv.reader(file, delimiter=delimiter), header, row_seconds)
            size = max(1, min(BLOCK_ROWS, BLOCK_CELLS // len(header)))
            for sequence in count():
                block = list(islice(rows, size))
                if not block:
                    return
                yield Block(sequence, sequence * size, block)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _header(path: Path, file: TextIO) -> tuple[list[str], str]:
    """Read the first line: the name of each column, the time as `time`, and what parts the cells."""
    first = file.readline()
    delimiter = max(",;\t", key=first.count)
    written = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    header = ["time" if name.lower() in _TIMES else name or f"column_{at}" for at, name in enumerate(written, start=1)]
    if "time" not in header:
        raise ConfigError(
            f"{path}: the first line names no column 'timestamp' among {', '.join(written[:5]) or 'none'}"
        )
    twice = [name for at, name in enumerate(header) if name in header[:at]]
    if twice:
        raise ConfigError(f"{path}: the first line names the column {twice[0]!r} twice; rename one of them")
    if len(header) > MAX_SENSORS + 1:
        raise ConfigError(f"{path} has {len(header) - 1} sensors, more than the {MAX_SENSORS} of an asset")
    return header, delimiter


def _rows(lines: Iterator[list[str]], header: list[str], row_seconds: float) -> Iterator[Row]:
    counts_rows: bool | None = None
    for cells in lines:
        row = dict(_named(header, cells))
        if not row:
            continue
        time = row.setdefault("time", "")
        if counts_rows is None:
            counts_rows = isinstance(time, int | float) and 0 <= time < COUNTER_BELOW
        if counts_rows and isinstance(time, int | float) and 0 <= time < COUNTER_BELOW:
            row["time"] = EARLIEST_NS + round(time * row_seconds * 1e9)
        yield row


def _named(header: list[str], cells: list[str]) -> Iterator[tuple[str, object]]:
    for at, (name, cell) in enumerate(zip_longest(header, cells, fillvalue=""), start=1):
        if cell.strip() and name != LABEL:
            yield name or f"column_{at}", _cell(cell)


def _cell(text: str) -> object:
    """A whole number stays whole: a time in nanoseconds is finer than a float."""
    text = text.strip()
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text
