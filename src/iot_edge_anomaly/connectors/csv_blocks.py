"""A CSV file as numbered rows: the same file always gives the same numbers, so that reading it twice counts once."""

import csv
import hashlib
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from iot_edge_anomaly.core.errors import ConfigError

BLOCK_ROWS = 100

Row = dict[str, object]


class Block(NamedTuple):
    """Rows that travel together. `first` counts data rows from 0."""

    sequence: int
    first: int
    rows: list[Row]


def epoch_of(path: Path) -> int:
    """Return a number of the file's content. Raises ConfigError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return int.from_bytes(hashlib.file_digest(file, "sha256").digest()[:6])
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def blocks(path: Path) -> Iterator[Block]:
    """Yield the rows of a file with a header line, its cells parted by `,`, `;` or tabs.

    A column `time` or `timestamp` tells the time; empty cells are left out; a column without a name is `column_<n>`.
    Raises ConfigError when the file is no CSV with a header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(path, file)
            for sequence, first in enumerate(range(0, 1 << 62, BLOCK_ROWS)):
                block = list(islice(rows, BLOCK_ROWS))
                if not block:
                    return
                yield Block(sequence, first, block)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _rows(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    first = next(lines, "")
    delimiter = max(",;\t", key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(header):
        raise ConfigError(f"{path} has no header line: name its columns in the first line")
    header = ["time" if name.lower() in ("time", "timestamp") else name for name in header]
    for cells in csv.reader(lines, delimiter=delimiter):
        named = enumerate(zip_longest(header, cells, fillvalue=""), start=1)
        yield {name or f"column_{number}": _cell(cell) for number, (name, cell) in named if cell.strip()}


def _cell(text: str) -> object:
    """A whole number stays whole: a time in nanoseconds is finer than a float."""
    text = text.strip()
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text
