"""`status` and `doctor`: what runs and how far it has come; what this machine lacks."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from iot_edge_anomaly.bus.checkpoint import read_manifest
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.server import server_binary, server_digest, server_version
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import Session, opened
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.observability.health import Check, readiness
from iot_edge_anomaly.resilience.supervise import ProcessInfo

ROOM_BYTES = 1 << 30


class PartitionStatus(msgspec.Struct, frozen=True):
    """How far a partition has come: the last message that came in, and the last one worked in for good.

    Ticks that change nothing are counted with the next checkpoint, so an idle partition is some seconds behind.
    """

    partition: int
    last: int
    committed: int


class Status(msgspec.Struct, frozen=True):
    """What runs here."""

    processes: list[ProcessInfo]
    partitions: list[PartitionStatus]
    assets: int
    learning: int
    open_alarms: int
    set_aside: int
    unnumbered_sources: str = "senders that number nothing and send no time get at-least-once"


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(status)
    app.command()(doctor)


def status(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show the processes, how far each partition has come, and what the plant is like.

    Example: iot-edge-anomaly status --json
    """
    found = asyncio.run(_status(data_dir))
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    console = Console()
    processes = Table("role", "pid", "port", "restarts")
    for one in found.processes:
        processes.add_row(one.role, str(one.pid or "down"), str(one.port or ""), str(one.restarts))
    console.print(processes)
    partitions = Table("partition", "last", "committed")
    for part in found.partitions:
        partitions.add_row(str(part.partition), str(part.last), str(part.committed))
    console.print(partitions)
    console.print(
        f"{found.assets} assets, {found.learning} of them learning; {found.open_alarms} open alarms; "
        f"{found.set_aside} records set aside lately"
    )


async def _status(data_dir: Path) -> Status:
    table = data_dir / "run" / "processes.json"
    processes = msgspec.json.decode(table.read_bytes(), type=list[ProcessInfo]) if table.exists() else []
    async with opened(data_dir) as session:
        partitions = [await _partition(session, number) for number in range(session.address.partitions)]
        assets = session.plant.assets()
        return Status(
            processes,
            partitions,
            len(assets),
            sum(asset.phase is not Phase.CALIBRATED for asset in assets),
            sum(len(asset.alarms) for asset in assets),
            len(session.plant.set_aside),
        )


async def _partition(session: Session, number: int) -> PartitionStatus:
    came_in = await session.bus.last(READINGS, readings_subject(number))
    commit = await session.bus.last(OUTCOMES, outcomes_subject(number))
    checkpoint = await read_manifest(session.bus, number)
    committed = decode_commit(commit.data).last_seq if commit else 0
    position = checkpoint[0].position if checkpoint else 0
    return PartitionStatus(number, came_in.seq if came_in else 0, max(committed, position))


def doctor(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Check this machine and the data folder; exit code 1 if something is wrong.

    Example: iot-edge-anomaly doctor
    """
    found = readiness(_checks(data_dir))
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        for check in found.checks:
            typer.echo(f"{'ok  ' if check.ok else 'BAD '} {check.name:<16} {check.detail}")
    if not found.ready:
        raise typer.Exit(1)


def _checks(data_dir: Path) -> Iterator[Check]:
    yield Check("python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield _server()
    yield _console()
    folder = data_dir if data_dir.exists() else Path.cwd()
    free = shutil.disk_usage(folder).free
    yield Check("disk", free > ROOM_BYTES, f"{free >> 20} MiB free in {folder}")
    if data_dir.exists():
        mode = data_dir.stat().st_mode & 0o777
        is_private = mode & 0o007 == 0
        hint = "" if is_private else f"; others may read it: chmod 700 {data_dir}"
        yield Check("data folder", is_private and os.access(data_dir, os.W_OK), f"{data_dir}, mode {mode:o}{hint}")


def _server() -> Check:
    try:
        binary = server_binary(BusSettings())
    except ConfigError as error:
        return Check("nats-server", False, str(error))
    shown = ".".join(map(str, server_version(binary)))
    return Check("nats-server", True, f"{shown}, {server_digest(binary)}, {binary}")


def _console() -> Check:
    try:
        return Check("page", True, f"nicegui {version('nicegui')}")
    except PackageNotFoundError:
        return Check("page", True, "not installed; bring it with: pip install 'iot-edge-anomaly[console]'")
