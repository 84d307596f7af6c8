"""`export`: what came in and what was concluded, of months, as a file: from history and from what the streams hold."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from iot_edge_anomaly.app.history import history_folder
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.cli.options import DATA_DIR, DataDir
from iot_edge_anomaly.connectors.times import time_ns
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.historian.export import Exported, Format, NoRowsError, What
from iot_edge_anomaly.historian.export import export as export_rows
from iot_edge_anomaly.historian.sql import EVER_NS, NEVER_NS
from iot_edge_anomaly.historian.tail import Wanted


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
    try:
        done = asyncio.run(_export(data_dir, wanted, form, out))
    except NoRowsError:
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


async def _export(data_dir: Path, wanted: Wanted, form: Format, out: Path) -> Exported:
    address = read_address(data_dir)
    async with connect(address, "export") as bus:
        return await export_rows(bus, history_folder(data_dir), address.partitions, wanted, form, out)
