"""The Delta tables as their one writer sees them. Needs the extra `history`.

What is written and how far the streams are worked in is one commit of the table: the place in each partition is an
*application transaction* of Delta Lake, named after stream, partition and the day the stream was created (the streams
of another store count anew). So a table tells itself what is in it, after any end of the writer. A commit is refused
when somebody else wrote since the table was read; the reader of its message then starts from what the table says.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from arro3.core import Table as ArrowTable
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.transaction import AddAction, RemoveAction
from deltalake.writer.properties import ColumnProperties

from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.historian.arrow import arrow_schema
from iot_edge_anomaly.historian.complaints import Complaints
from iot_edge_anomaly.historian.schema import SCHEMAS

DAY = "day"
KEEP_REMOVED_SECONDS = 3600
"""Files that were replaced, and what the log said of them, stay so long: for those who read at that time."""

CHECKPOINT_COMMITS = 100
PAGE_ROWS = 8192
GROUP_ROWS = 1 << 18
_RISING = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
WRITING = WriterProperties(
    compression="ZSTD",
    compression_level=3,
    data_page_row_count_limit=PAGE_ROWS,
    max_row_group_size=GROUP_ROWS,
    column_properties=dict.fromkeys(("time", "time_ns", "received", "sequence", "about_ns"), _RISING),
)


class TableWriter:
    """A table of history, opened for writing, made where there is none. Calls may wait for the disk.

    Raises UnavailableError where the folder cannot be read or written, or another process wrote the table meanwhile;
    FatalError where the table has other columns than this program writes.
    """

    def __init__(self, folder: Path, name: str, keep_removed_seconds: int = KEEP_REMOVED_SECONDS) -> None:
        self.name = name
        self.path = folder / name
        self._keep_removed_seconds = keep_removed_seconds
        with writing(self.path):
            self.delta = self._opened()
        if self._columns() != [column.name for column in SCHEMAS[name]]:
            raise FatalError(
                f"the table {self.path} has other columns than this program writes; move the folder away, then history "
                "begins anew with what the streams still hold"
            )

    def position(self, app: str) -> int:
        """Return up to which sequence an application has written."""
        return self.delta.transaction_version(app) or 0

    def append(self, rows: ArrowTable, positions: Mapping[str, int]) -> None:
        """Write rows and, in the same commit, up to where each application has come with them."""
        with writing(self.path):
            write_deltalake(
                self.delta, rows, mode="append", writer_properties=WRITING, commit_properties=_alone(positions)
            )
            self._sync()

    def replace(self, removed: Sequence[RemoveAction], added: Sequence[AddAction]) -> None:
        """Put files in the place of others that hold the same rows; all of them are there already."""
        with writing(self.path):
            self.delta.create_write_transaction(
                [*added, *removed], "append", self.delta.schema(), [DAY], commit_properties=_alone({})
            )
            self.delta.update_incremental()
            self._sync()

    def _opened(self) -> DeltaTable:
        if DeltaTable.is_deltatable(str(self.path)):
            return DeltaTable(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            self.path,
            Schema.from_arrow(arrow_schema(self.name)),
            partition_by=[DAY],
            configuration={
                "delta.checkpointInterval": str(CHECKPOINT_COMMITS),
                "delta.enableExpiredLogCleanup": "true",
                "delta.logRetentionDuration": f"interval {self._keep_removed_seconds} seconds",
                "delta.deletedFileRetentionDuration": f"interval {self._keep_removed_seconds} seconds",
                "delta.dataSkippingStatsColumns": ",".join(
                    column.name
                    for column in SCHEMAS[self.name]
                    if column.name in ("asset", "sensor", "time", "time_ns")
                ),
            },
        )

    def _columns(self) -> list[str]:
        return [field.name for field in self.delta.schema().fields]

    def _sync(self) -> None:
        """See to it that the disk has the newest commit: only then may the streams forget what is in it."""
        entry = self.path / "_delta_log" / f"{self.delta.version():020}.json"
        added = [self.path / action["path"] for action in actions(entry, "add")]
        for path in (*added, entry, *{file.parent for file in added}, entry.parent, self.path):
            sync(path)


def actions(entry: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the actions of one kind of a commit."""
    for line in entry.read_text(encoding="utf-8").splitlines():
        action = json.loads(line).get(kind)
        if action is not None:
            yield action


def writing(path: Path) -> Complaints:
    """Return a block whose complaints are UnavailableError."""
    return Complaints(path, "written")


def sync(path: Path) -> None:
    """Wait until the disk has a file or the entries of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _alone(positions: Mapping[str, int]) -> CommitProperties:
    """Return the properties of a commit that fails if anybody else made one since the table was read."""
    applications = [Transaction(app, position) for app, position in positions.items()]
    return CommitProperties(app_transactions=applications, max_commit_retries=0)
