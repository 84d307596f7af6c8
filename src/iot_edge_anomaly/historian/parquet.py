"""Rows of history as one Parquet file. Needs the extra `history`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arro3.core import RecordBatchReader, Table
from deltalake import DeltaTable, write_deltalake

from iot_edge_anomaly.historian.arrow import arrow_table
from iot_edge_anomaly.historian.columns import Block
from iot_edge_anomaly.historian.complaints import Complaints
from iot_edge_anomaly.historian.schema import SCHEMAS
from iot_edge_anomaly.historian.tables import WRITING

ONE_FILE_BYTES = 1 << 50


@contextmanager
def parquet_file(part: Path, table: str) -> Iterator["ParquetFile"]:
    """Make a Parquet file of what is added in the block; where no row is, there is no file."""
    with (
        tempfile.TemporaryDirectory(dir=part.parent, prefix=f"{part.name}.") as folder,
        Complaints(part, "written"),
    ):
        file = ParquetFile(folder, table)
        yield file
        file.move_to(part)


class ParquetFile:
    """Rows that are to be one file; until then they are a table in a folder of their own."""

    def __init__(self, folder: str, table: str) -> None:
        self._folder = folder
        self._table = table
        self.columns = [column.name for column in SCHEMAS[table]]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        made = self._made()
        return 0 if made is None else sum(made.get_add_actions().column("num_records").to_pylist())

    def add_read(self, reader: RecordBatchReader) -> None:
        """Write rows as they are read."""
        self._add(reader)

    def add_block(self, block: Block) -> None:
        """Write rows."""
        self._add(arrow_table(self._table, block))

    def move_to(self, part: Path) -> None:
        """Make one file of them."""
        made = self._made()
        if made is None:
            return
        if len(made.file_uris()) > 1:
            made.optimize.compact(target_size=ONE_FILE_BYTES, writer_properties=WRITING)
        for file in made.file_uris():
            Path(file).replace(part)

    def _add(self, rows: Table | RecordBatchReader) -> None:
        write_deltalake(self._folder, rows, mode="append", writer_properties=WRITING, target_file_size=ONE_FILE_BYTES)

    def _made(self) -> DeltaTable | None:
        return DeltaTable(self._folder) if DeltaTable.is_deltatable(self._folder) else None
