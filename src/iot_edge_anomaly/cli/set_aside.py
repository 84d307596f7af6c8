"""`set-aside …`: what was no reading, and what a person makes of it."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import Session, opened
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.operations.set_aside import Aside, Fate, SetAsideDesk

set_aside = typer.Typer(no_args_is_help=True, help="Records set aside: list, hand in again, dismiss.")
Record = Annotated[str, typer.Argument(help="The record, as `set-aside list` shows it.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(set_aside, name="set-aside")


@set_aside.command("list")
def list_records(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Those handed in again or dismissed too.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List what came in lately and was no reading, with the reason, the newest first.

    Example: iot-edge-anomaly set-aside list --limit 5
    """
    found = [one for one in asyncio.run(_records(data_dir)) if everything or one.fate is Fate.OPEN][:limit]
    if as_json:
        rows = [{"id": one.id, "asset": str(one.key), "source": one.source, "fate": one.fate} for one in found]
        records = [{**row, "record": one.record} for row, one in zip(rows, found, strict=True)]
        typer.echo(msgspec.json.encode(records))
        return
    shown = table(("record", "asset", "source", "what came", "reason"), map(_row, found))
    Console().print(shown if found else "nothing is set aside")


def _row(one: Aside) -> tuple[str, ...]:
    came = one.record.raw.decode("utf-8", "backslashreplace")[:60]
    return one.id, str(one.key), one.source, came, one.record.reason


@set_aside.command()
def reinject(
    record: Record,
    asset: Annotated[str, typer.Option(help="The asset that it is of, as tenant/.../asset.")],
    payload: Annotated[str, typer.Option(help="What it should have been, with a time; - reads it from the input.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Hand in what a record should have been, as readings of their own; nothing is done while any of it is wrong.

    Example: iot-edge-anomaly set-aside reinject 1-9-0 --asset acme/p-1 --payload '{"time": 1790000000, "flow": 12.5}'
    """
    text = sys.stdin.read() if payload == "-" else payload
    batch = asyncio.run(_reinject(data_dir, record, text, asset))
    typer.echo(f"{batch.accepted} values of {batch.key} are stored, from {batch.source!r}")


@set_aside.command()
def dismiss(record: Record, data_dir: DataDir = DATA_DIR) -> None:
    """Say that a record needs nobody any more; it stays in the store and in the balance.

    Example: iot-edge-anomaly set-aside dismiss 1-9-0
    """
    asyncio.run(_dismiss(data_dir, record))
    typer.echo(f"{record} is dismissed")


async def _records(data_dir: Path) -> list[Aside]:
    async with opened(data_dir) as session:
        return await _desk(session).records(session.who)


async def _reinject(data_dir: Path, record: str, payload: str, asset: str) -> Batch:
    async with opened(data_dir) as session:
        return await _desk(session).reinject(session.who, record, payload, asset)


async def _dismiss(data_dir: Path, record: str) -> None:
    async with opened(data_dir) as session:
        await _desk(session).dismiss(session.who, [record])


def _desk(session: Session) -> SetAsideDesk:
    return SetAsideDesk(session.plant, session.bus, session.operations.intake, SystemClock())
