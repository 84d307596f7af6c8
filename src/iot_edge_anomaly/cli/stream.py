"""`reconcile`: proof that nothing was lost."""

import asyncio
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from iot_edge_anomaly.bus.ledger import Balance, Line, reconcile
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import opened
from iot_edge_anomaly.cli.tables import table


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command("reconcile")(show_balance)


def show_balance(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Prove that nothing is lost or doubled: for each source, accepted = used + duplicate + late + set aside + held.

    What does not balance, and what was removed from the store by hand, is named. Exit code 1 then.

    Example: iot-edge-anomaly reconcile --json
    """
    balance = asyncio.run(_balance(data_dir))
    if as_json:
        typer.echo(msgspec.json.encode(balance))
    else:
        columns = ("asset", "source", "accepted", "used", "duplicate", "late", "set aside", "held", "gaps", "balanced")
        Console().print(table(columns, map(_row, balance.lines)))
        for finding in balance.findings:
            typer.echo(finding)
        typer.echo(_verdict(balance))
    if not balance.is_balanced:
        raise typer.Exit(1)


def _row(line: Line) -> tuple[str, ...]:
    numbers = (line.accepted, line.used, line.duplicate, line.late, line.set_aside, line.held, line.gaps)
    return line.asset, line.source, *map(str, numbers), "yes" if line.is_balanced else "NO"


def _verdict(balance: Balance) -> str:
    if balance.is_moving:
        return "nothing can be said: the store was purged again and again while it was read; ask again"
    return f"balanced: {'yes' if balance.is_balanced else 'NO'}; {balance.waiting_messages} messages wait"


async def _balance(data_dir: Path) -> Balance:
    async with opened(data_dir) as session:
        return await reconcile(session.bus, session.address.partitions)
