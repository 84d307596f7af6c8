"""Write what came in and what was concluded as a file: what history holds and what the streams hold since."""

import asyncio
import importlib.util
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.historian.files import RowsFile, csv_file
from iot_edge_anomaly.historian.gathered import STREAM_OF
from iot_edge_anomaly.historian.tail import Tail, Wanted
from iot_edge_anomaly.storage.whole_file import write_whole

if TYPE_CHECKING:
    from iot_edge_anomaly.historian.snapshot import Snapshot

ATTEMPTS = 5


class What(StrEnum):
    """What can be exported."""

    READINGS = "readings"
    SCORES = "scores"
    ALARMS = "alarms"
    CORRECTIONS = "corrections"


class Format(StrEnum):
    """How it is written."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Exported:
    """What was written. `has_history`: whether tables were read, or the streams alone."""

    rows: int
    unreadable: int
    has_history: bool


class NoRowsError(RejectedError):
    """There are no rows, and a file of this format has one at least."""


class _OvertakenError(Exception):
    """The janitor was quicker than the export."""


async def export(bus: Bus, folder: Path, partitions: int, wanted: Wanted, form: Format, out: Path) -> Exported:
    """Write a file, whole or not at all; `folder` holds the tables, if there are any.

    Raises NoRowsError, ConfigError where Parquet cannot be written here, UnavailableError, OSError.
    """
    if form is Format.PARQUET and not _has_extra():
        raise ConfigError("Parquet needs deltalake; bring it with: pip install 'iot-edge-anomaly[history]'")
    for _ in range(ATTEMPTS):
        held = await _held(bus, folder, wanted, partitions)
        places = dict.fromkeys(range(partitions), 0) if held is None else held.places
        try:
            with write_whole(out) as part, _file(form, part, wanted.table) as file:
                return await _write(file, held, Tail(bus, wanted, places), may_be_empty=form is Format.CSV)
        except _OvertakenError:
            continue
    raise UnavailableError("the streams are purged as quickly as they are read; export a shorter time, or try again")


def _has_extra() -> bool:
    return importlib.util.find_spec("deltalake") is not None


async def _held(bus: Bus, folder: Path, wanted: Wanted, partitions: int) -> "Snapshot | None":
    """Return the table as it stands, where there is one."""
    if not _has_extra():
        return None
    from iot_edge_anomaly.historian.snapshot import snapshot

    created = str((await bus.stream_info(STREAM_OF[wanted.table]))["created"])
    return await asyncio.to_thread(snapshot, folder, wanted.table, created, partitions)


async def _write(file: RowsFile, held: "Snapshot | None", tail: Tail, *, may_be_empty: bool) -> Exported:
    if held is not None:
        await asyncio.to_thread(lambda: file.add_read(held.rows(tail.wanted, file.columns)))
    async for block in tail.blocks():
        await asyncio.to_thread(file.add_block, block)
    if held is not None and await tail.was_purged():
        raise _OvertakenError
    if not file.rows and not may_be_empty:
        raise NoRowsError(f"there are no such {tail.wanted.table}, and a Parquet file of none is not written")
    return Exported(file.rows, tail.unreadable, held is not None)


def _file(form: Format, part: Path, table: str) -> AbstractContextManager[RowsFile]:
    if form is Format.CSV:
        return csv_file(part, table)
    from iot_edge_anomaly.historian.parquet import parquet_file

    return parquet_file(part, table)
