"""Keeps the tables small and quick to read: many small files become few sorted ones, old days and old files go.

A day that has gathered many files, or is over and has more than one, is written anew: sorted by asset and time, in
files of a bounded number of rows, asset after asset, so that memory stays bounded and a filter for an asset finds it in
one place. The new files are made beside the table and take the place of the old ones in one commit; what a kill leaves
behind is no part of the table and goes with the next clean-up.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from arro3.core import Table as ArrowTable
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.transaction import AddAction, RemoveAction

from iot_edge_anomaly.historian.schema import SORTED_BY
from iot_edge_anomaly.historian.sql import quoted
from iot_edge_anomaly.historian.tables import DAY, KEEP_REMOVED_SECONDS, WRITING, TableWriter, actions, writing

SORTED = "sorted-"
BESIDE = ".compacting"
TIME_UNKNOWN = date(1970, 1, 1)
"""What was concluded while no clock ticked stands here; it is not known to be old."""


@dataclass(frozen=True)
class Upkeep:
    """When what is done. `most_files`: so many files that are not sorted yet may a day have."""

    keep: timedelta
    most_files: int = 64
    quiet: timedelta = timedelta(hours=1)
    """A day that is over is sorted once nothing was added to it for so long."""

    clean_every: timedelta = timedelta(hours=1)
    keep_removed_seconds: int = KEEP_REMOVED_SECONDS
    rows_at_once: int = 1_000_000
    compacts: bool = True


class File(NamedTuple):
    """A file of a table."""

    path: str
    size: int
    written: datetime
    day: date

    @property
    def is_sorted(self) -> bool:
        """Whether compaction made it."""
        return f"/{SORTED}" in self.path


@dataclass
class Caretaker:
    """Looks after one table, between writes and in the thread of the writer."""

    table: TableWriter
    upkeep: Upkeep
    _appended: int = field(default=0, init=False)
    _cleaned_at: float = field(default=float("-inf"), init=False)

    def tend(self) -> None:
        """Do what is due after a write. Raises UnavailableError as the table does."""
        self._appended += 1
        with writing(self.table.path):
            if self.upkeep.compacts and self._appended % max(self.upkeep.most_files // 4, 1) == 0:
                self._compact_what_is_due()
            if time.monotonic() - self._cleaned_at >= self.upkeep.clean_every.total_seconds():
                self._clean()
                self._cleaned_at = time.monotonic()

    def compact(self, day: date, files: list[File]) -> None:
        """Write a day anew, sorted."""
        beside = self.table.path / BESIDE
        shutil.rmtree(beside, ignore_errors=True)
        made = DeltaTable.create(beside, self.table.delta.schema(), partition_by=[DAY])
        for chunk in self._chunks(day):
            order = ", ".join(SORTED_BY[self.table.name])
            rows = _query(self.table.delta, f"SELECT * FROM t WHERE {chunk} ORDER BY {order}")  # noqa: S608 - own names
            write_deltalake(made, rows, mode="append", writer_properties=WRITING)
        self.table.replace(_removals(files), [self._moved(beside, add) for add in _adds(beside)])
        shutil.rmtree(beside)

    def compact_all(self) -> None:
        """Write every day anew that is not sorted."""
        with writing(self.table.path):
            for day, there in self._days().items():
                if not all(file.is_sorted for file in there):
                    self.compact(day, there)

    def _days(self) -> dict[date, list[File]]:
        by_day: dict[date, list[File]] = {}
        for file in files(self.table.delta):
            by_day.setdefault(file.day, []).append(file)
        return by_day

    def _compact_what_is_due(self) -> None:
        now = datetime.now(UTC)
        for day, there in self._days().items():
            loose = [file for file in there if not file.is_sorted]
            is_over = day < now.date() and all(now - file.written > self.upkeep.quiet for file in loose)
            if len(loose) >= self.upkeep.most_files or (is_over and loose and len(there) > 1):
                self.compact(day, there)

    def _clean(self) -> None:
        """Remove days that are too old, files that nothing names any more, and the part of the log that is past."""
        delta = self.table.delta
        oldest = (datetime.now(UTC) - self.upkeep.keep).date()
        if any(TIME_UNKNOWN != file.day < oldest for file in files(delta)):
            delta.delete(f"{DAY} < '{oldest}' AND {DAY} != '{TIME_UNKNOWN}'")
        hours = self.upkeep.keep_removed_seconds // 3600
        delta.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True)
        delta.create_checkpoint()
        delta.cleanup_metadata()

    def _chunks(self, day: date) -> Iterator[str]:
        """Yield conditions that cut a day into parts of bounded size, in the order of the sorting."""
        keys = [name for name in SORTED_BY[self.table.name] if name != "time_ns"]
        names = ", ".join(keys)
        query = f"SELECT {names}, count(*) AS n FROM t WHERE {DAY} = '{day}' GROUP BY {names} ORDER BY {names}"  # noqa: S608
        counted = _query(self.table.delta, query)
        groups = list(zip(*(counted.column(name).to_pylist() for name in (*keys, "n")), strict=True))
        start = 0
        for end in _ends([number for *_, number in groups], self.upkeep.rows_at_once):
            first, last = groups[start][:-1], groups[end - 1][:-1]
            yield f"{DAY} = '{day}' AND {_from(keys, first)} AND {_up_to(keys, last)}"
            start = end

    def _moved(self, beside: Path, add: dict[str, Any]) -> AddAction:
        """Move a file into the table, under a name that says it is sorted."""
        folder, _, name = add["path"].rpartition("/")
        path = f"{folder}/{SORTED}{name}"
        (self.table.path / folder).mkdir(exist_ok=True)
        (beside / add["path"]).replace(self.table.path / path)
        return AddAction(path, add["size"], add["partitionValues"], add["modificationTime"], False, add["stats"])


def files(delta: DeltaTable) -> list[File]:
    """Return the files of a table as it stands."""
    there = delta.get_add_actions(flatten=True)
    names = ("path", "size_bytes", "modification_time", f"partition.{DAY}")
    path, size, written, day = (there.column(name).to_pylist() for name in names)
    return [
        File(one, size, datetime.fromtimestamp(at / 1000, UTC), on)
        for one, size, at, on in zip(path, size, written, day, strict=True)
    ]


def _query(delta: DeltaTable, sql: str) -> ArrowTable:
    """Run a query, in memory and on one core."""
    builder = QueryBuilder({"datafusion.execution.target_partitions": "1"}).register("t", delta)
    return builder.execute(sql).read_all()


def _ends(sizes: list[int], most: int) -> Iterator[int]:
    """Yield the ends of stretches that each sum up to at most so much, or hold one entry."""
    total = 0
    for place, size in enumerate(sizes):
        if total and total + size > most:
            yield place
            total = 0
        total += size
    if sizes:
        yield len(sizes)


def _from(keys: list[str], words: tuple[str, ...]) -> str:
    return _beyond(keys, words, ">")


def _up_to(keys: list[str], words: tuple[str, ...]) -> str:
    return _beyond(keys, words, "<")


def _beyond(keys: list[str], words: tuple[str, ...], sign: str) -> str:
    """Return a condition that holds at these words and on one side of them, in the order of the keys."""
    if len(keys) == 1:
        return f"{keys[0]} {sign}= {quoted(words[0])}"
    inner = _beyond(keys[1:], words[1:], sign)
    return f"{keys[0]} {sign}= {quoted(words[0])} AND ({keys[0]} {sign} {quoted(words[0])} OR ({inner}))"


def _adds(beside: Path) -> Iterator[dict[str, Any]]:
    for entry in sorted((beside / "_delta_log").glob("*.json")):
        yield from actions(entry, "add")


def _removals(there: list[File]) -> list[RemoveAction]:
    now_ms = int(time.time() * 1000)
    return [RemoveAction(file.path, False, now_ms, file.size, {DAY: str(file.day)}) for file in there]
