"""Rows of history as CSV."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.historian.columns import Block, Values, Words
from iot_edge_anomaly.historian.schema import FLAT, SCHEMAS, Kind

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

if TYPE_CHECKING:
    from arro3.core import RecordBatch, RecordBatchReader

Cells = list[list[object]]
"""Columns of equal length."""


class RowsFile(Protocol):
    """A file that rows are written to; calls wait for the disk."""

    @property
    def columns(self) -> list[str]:
        """Which columns it holds."""
        ...

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        ...

    def add_read(self, reader: "RecordBatchReader") -> None:
        """Write rows as they are read from a table: these columns."""
        ...

    def add_block(self, block: Block) -> None:
        """Write rows."""
        ...


def csv_columns(table: str) -> dict[str, Kind]:
    """Return the columns that a CSV file of a table has: all that fit a cell, but for the day, which the time tells."""
    return {column.name: column.kind for column in SCHEMAS[table] if column.kind in FLAT and column.kind != Kind.DATE}


@contextmanager
def csv_file(part: Path, table: str) -> Iterator["CsvFile"]:
    """Write a CSV file for the time of the block."""
    with part.open("w", newline="", encoding="utf-8") as file:
        yield CsvFile(file, table)


class CsvFile:
    """Rows as lines; the first line names the columns."""

    def __init__(self, file: TextIO, table: str) -> None:
        self._kinds = csv_columns(table)
        self._writer = csv.writer(file)
        self._writer.writerow(self._kinds)
        self.columns = list(self._kinds)
        self.rows = 0

    def add_read(self, reader: "RecordBatchReader") -> None:
        """Write rows as they are read."""
        for batch in reader:
            self._add([_read_cells(batch, name, kind) for name, kind in self._kinds.items()])

    def add_block(self, block: Block) -> None:
        """Write rows."""
        self._add([_cells(block[name], kind) for name, kind in self._kinds.items()])

    def _add(self, cells: Cells) -> None:
        self._writer.writerows(zip(*cells, strict=True))
        self.rows += len(cells[0])


def _read_cells(batch: "RecordBatch", name: str, kind: Kind) -> list[object]:
    from arro3.core import DataType

    column = batch.column(name)
    if kind is Kind.TIMESTAMP:
        return _times(column.cast(DataType.int64()).to_numpy())
    return [_plain(cell) if isinstance(cell, str) else cell for cell in column.to_pylist()]


def _cells(values: Values, kind: Kind) -> list[object]:
    if isinstance(values, Words):
        plain = [_plain(str(word)) for word in values.words]
        return [plain[code] for code in values.codes.tolist()]
    assert isinstance(values, np.ndarray)
    return _times(values) if kind is Kind.TIMESTAMP else list(values.tolist())


def _plain(word: str) -> str:
    """Return text that no spreadsheet takes for a formula: names and notes come from whoever may send readings."""
    return f"'{word}" if word.startswith(_FORMULA_STARTS) else word


def _times(microseconds: NDArray[np.generic]) -> list[object]:
    """Return times as ISO 8601 in UTC."""
    return list(np.datetime_as_string(microseconds.astype("datetime64[us]"), unit="us", timezone="UTC").tolist())
