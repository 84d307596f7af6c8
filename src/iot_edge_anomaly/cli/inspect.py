"""`status` and `doctor`: what runs and how far it has come; what this machine lacks."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from iot_edge_anomaly.bus.progress import Progress, progress
from iot_edge_anomaly.bus.server import server_binary, server_digest, server_version
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import opened
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.connectors.health import ConnectorHealth, read_health
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.observability.health import Check, State, readiness
from iot_edge_anomaly.resilience.supervise import ProcessInfo
from iot_edge_anomaly.resilience.tether import is_owned
from iot_edge_anomaly.sinks.health import SinkHealth
from iot_edge_anomaly.sinks.health import read_health as read_sinks
from iot_edge_anomaly.views.progress import ViewStatus, views_of

ROOM_BYTES = 1 << 30


class Status(msgspec.Struct, frozen=True):
    """What runs here."""

    processes: list[ProcessInfo]
    connectors: tuple[ConnectorHealth, ...]
    sinks: tuple[SinkHealth, ...]
    partitions: list[Progress]
    assets: int
    learning: int
    open_alarms: int
    set_aside: int
    views: tuple[ViewStatus, ...]
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
    processes = ((one.role, str(one.pid or "down"), str(one.port or ""), str(one.restarts)) for one in found.processes)
    console.print(table(("role", "pid", "port", "restarts"), processes))
    if found.connectors:
        console.print(_table_of(found.connectors))
    if found.sinks:
        console.print(_table_of_sinks(found.sinks))
    partitions = ((str(part.partition), str(part.last), str(part.committed)) for part in found.partitions)
    console.print(table(("partition", "last", "committed"), partitions))
    console.print(_said_of(found.views))
    console.print(
        f"{found.assets} assets, {found.learning} of them learning; {found.open_alarms} open alarms; "
        f"{found.set_aside} records set aside lately"
    )


def _table_of(connectors: Sequence[ConnectorHealth]) -> Table:
    def row(one: ConnectorHealth) -> tuple[str, ...]:
        error = f"{_ago(one.last_error_at)}: {one.last_error}" if one.last_error else ""
        counts = (str(one.readings), str(one.set_aside))
        return one.name, one.state, _ago(one.since), _ago(one.last_readings), *counts, error

    columns = ("connector", "state", "since", "last readings", "readings", "set aside", "last error")
    return table(columns, map(row, connectors))


def _table_of_sinks(sinks: Sequence[SinkHealth]) -> Table:
    def row(one: SinkHealth) -> tuple[str, ...]:
        waiting = f"{one.waiting}, the oldest of {_ago(one.oldest)}" if one.waiting else "0"
        error = f"{_ago(one.last_error_at)}: {one.last_error}" if one.last_error else ""
        counts = (str(one.delivered), str(one.set_aside), waiting)
        return one.name, one.state, _ago(one.since), _ago(one.last_delivery), *counts, error

    columns = ("sink", "state", "since", "last delivery", "delivered", "set aside", "waiting", "last error")
    return table(columns, map(row, sinks))


def _said_of(views: Sequence[ViewStatus]) -> str:
    if not views:
        return "the view database cannot be read: is the role views running?"
    behind = sum(one.last > one.written for one in views)
    missing = [one for one in views if one.missing_up_to]
    text = f"the view database lags in {behind} partitions" if behind else "the view database has every commit"
    return f"{text}; of {len(missing)} partitions it lacks the beginning, which was purged" if missing else text


def _ago(at: float) -> str:
    if not at:
        return "never"
    seconds = max(time.time() - at, 0.0)
    size, unit = next(((s, u) for s, u in ((86_400, "d"), (3_600, "h"), (60, "min")) if seconds >= s), (1, "s"))
    return f"{seconds / size:.0f} {unit} ago"


async def _status(data_dir: Path) -> Status:
    processes = _processes(data_dir)
    async with opened(data_dir) as session:
        partitions = await progress(session.bus, session.address.partitions)
        assets = session.plant.assets()
        return Status(
            processes,
            read_health(data_dir),
            read_sinks(data_dir),
            partitions,
            len(assets),
            sum(asset.phase is not Phase.CALIBRATED for asset in assets),
            sum(len(asset.alarms) for asset in assets),
            len(session.plant.set_aside),
            await views_of(session.bus, session.records, session.address.partitions),
        )


def _processes(data_dir: Path) -> list[ProcessInfo]:
    table = data_dir / "run" / "processes.json"
    return msgspec.json.decode(table.read_bytes(), type=list[ProcessInfo]) if table.exists() else []


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
    if not data_dir.exists():
        yield Check("data folder", True, f"{data_dir} is not there: nothing was ever started in it")
    else:
        mode = data_dir.stat().st_mode & 0o777
        is_private = mode & 0o007 == 0
        hint = "" if is_private else f"; others may read it: chmod 700 {data_dir}"
        yield Check("data folder", is_private and os.access(data_dir, os.W_OK), f"{data_dir}, mode {mode:o}{hint}")
    yield from _system(data_dir)


def _system(data_dir: Path) -> Iterator[Check]:
    """What runs here, and what should but does not."""
    if not data_dir.exists() or not is_owned(data_dir):
        yield Check("system", True, f"not running; start it with: iot-edge-anomaly up --data-dir {data_dir}")
        return
    down = [one.role for one in _processes(data_dir) if one.pid is None]
    logs = ", ".join(str(data_dir / "logs" / f"{role}.log") for role in down)
    yield Check("system", not down, f"{', '.join(down)} down; see {logs}" if down else "running")
    for one in read_health(data_dir):
        works = one.state in (State.UP, State.CONNECTING)
        detail = f"{one.state} since {_ago(one.since)}, last readings {_ago(one.last_readings)}"
        yield Check(one.name, works, detail if works else f"{detail}; {one.last_error}")
    for sink in read_sinks(data_dir):
        works = sink.state in (State.UP, State.CONNECTING)
        detail = f"{sink.state} since {_ago(sink.since)}, {sink.waiting} waiting, {sink.set_aside} set aside"
        at = f" at {sink.stuck.message.id} of {sink.stuck.message.asset}" if sink.stuck else ""
        yield Check(sink.name, works, detail if works else f"{detail}; fails{at}: {sink.last_error}")


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
