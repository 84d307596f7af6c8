"""`export`: what came in and what was concluded, of months, as a file: from history and from what the streams hold."""

import asyncio
import importlib.util
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iot_edge_anomaly.app.history import history_folder
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.cli.options import DATA_DIR, DataDir
from iot_edge_anomaly.connectors.times import time_ns
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.historian.files import RowsFile, csv_file
from iot_edge_anomaly.historian.gathered import STREAM_OF
from iot_edge_anomaly.historian.sql import EVER_NS, NEVER_NS
from iot_edge_anomaly.historian.tail import Tail, Wanted
from iot_edge_anomaly.training.whole_file import write_whole

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


class _OvertakenError(Exception):
    """The janitor was quicker than the export."""


class _NothingError(Exception):
    """There are no rows, and a file of this format has one at least."""


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command()(export)


def export(
    what: What,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.CSV,
    asset: Annotated[str | None, typer.Option("--asset", help="Of one asset alone: its full name.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this time on: ISO 8601; no zone: UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write readings, scores, alarms or corrections: what history holds and what the streams hold since.

    The file is there whole, or not at all. Messages that cannot be read are left out and counted. A CSV file has the
    columns that fit a cell; Parquet has all (see docs/history.md).

    Example: iot-edge-anomaly export scores --asset acme/site-1/pump-1 --since 2026-11-01 --out scores.csv
    """
    wanted = Wanted(what, _asset(asset), _time("--since", since, EVER_NS), _time("--until", until, NEVER_NS))
    if form is Format.PARQUET and not _has_extra():
        raise ConfigError("Parquet needs deltalake; bring it with: pip install 'iot-edge-anomaly[history]'")
    try:
        done = asyncio.run(_export(data_dir, wanted, form, out))
    except _NothingError:
        typer.echo(f"there are no such {what}; {out} is not written")
        return
    typer.echo(f"{done.rows} rows of {what} are in {out} ({form})")
    if not done.has_history:
        typer.echo("there is no history here: these are what the streams still hold", err=True)
    if done.unreadable:
        typer.echo(f"{done.unreadable} messages could not be read and are left out", err=True)


def _asset(name: str | None) -> str | None:
    try:
        return None if name is None else str(AssetKey.parse(name))
    except RejectedError as error:
        raise ConfigError(f"--asset: {error}") from error


def _time(option: str, text: str | None, default: int) -> int:
    try:
        return default if text is None else time_ns(text)
    except RejectedError as error:
        raise ConfigError(f"{option}: {text!r}: {error}; write for example 2026-11-24 or 2026-11-24T06:30") from error


def _has_extra() -> bool:
    return importlib.util.find_spec("deltalake") is not None


async def _export(data_dir: Path, wanted: Wanted, form: Format, out: Path) -> Exported:
    address = read_address(data_dir)
    async with connect(address, "export") as bus:
        for _ in range(ATTEMPTS):
            held = await _held(bus, history_folder(data_dir), wanted, address.partitions)
            places = dict.fromkeys(range(address.partitions), 0) if held is None else held.places
            try:
                with write_whole(out) as part, _file(form, part, wanted.table) as file:
                    return await _write(file, held, Tail(bus, wanted, places), may_be_empty=form is Format.CSV)
            except _OvertakenError:
                continue
    raise UnavailableError("the streams are purged as quickly as they are read; export a shorter time, or try again")


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
        raise _NothingError
    return Exported(file.rows, tail.unreadable, held is not None)


def _file(form: Format, part: Path, table: str) -> AbstractContextManager[RowsFile]:
    if form is Format.CSV:
        return csv_file(part, table)
    from iot_edge_anomaly.historian.parquet import parquet_file

    return parquet_file(part, table)
