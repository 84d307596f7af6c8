"""`alarms`, `acknowledge`, `replay-alarm`: what was raised, that it was seen, why, worked out again."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import Match, Replay, open_capsule, replay
from iot_edge_anomaly.bus.processor import models_in
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import opened
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.views.plant import AlarmView

AlarmId = Annotated[str, typer.Argument(help="The alarm, as `alarms` lists it.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(alarms)
    app.command()(acknowledge)
    app.command("replay-alarm")(replay_alarm)


def alarms(limit: int = 20, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the newest alarms with their reasons.

    Example: iot-edge-anomaly alarms --limit 5
    """
    found = asyncio.run(_alarms(data_dir, limit))
    if as_json:
        typer.echo(msgspec.json.encode([{"asset": str(one.key), "alarm": one.latest} for one in found]))
        return
    table = Table("alarm", "at", "asset", "state", "reason")
    for one in found:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.raised.time_ns / 1e9))
        table.add_row(one.raised.alarm_id, at, str(one.key), one.latest.after, one.raised.reason)
    Console().print(table if found else "no alarms so far")


async def _alarms(data_dir: Path, limit: int) -> list[AlarmView]:
    async with opened(data_dir) as session:
        return list(session.plant.alarms(limit))


def acknowledge(alarm: AlarmId, data_dir: DataDir = DATA_DIR) -> None:
    """Say that a person has seen an alarm.

    Example: iot-edge-anomaly acknowledge A36cb2fffecb6
    """
    asyncio.run(_acknowledge(data_dir, alarm))
    typer.echo(f"{alarm} is acknowledged")


async def _acknowledge(data_dir: Path, alarm_id: str) -> None:
    async with opened(data_dir) as session:
        found = session.plant.alarm(alarm_id)
        if found is None:
            raise RejectedError(f"there is no alarm {alarm_id!r}; see: iot-edge-anomaly alarms")
        await session.operations.acknowledge(session.who, found.key, alarm_id)


def replay_alarm(alarm: AlarmId, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Work an alarm out again from its sealed input, model and configuration, and compare bit for bit.

    Exit code 1 if it comes out differently. Works on a copied data folder too (start it there with `up`).

    Example: iot-edge-anomaly replay-alarm A36cb2fffecb6
    """
    found = asyncio.run(_replay(data_dir, alarm))
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        typer.echo(f"{alarm}: {found.match}\n{found.recorded.reason}")
        for part in found.recorded.contributors:
            typer.echo(
                f"  {part.share:4.0%}  {part.sensor}: {part.actual:.4g} {part.unit}, expected {part.expected:.4g}"
            )
    if found.match not in (Match.EXACT, Match.CLOSE):
        raise typer.Exit(1)


async def _replay(data_dir: Path, alarm_id: str) -> Replay:
    async with opened(data_dir) as session:
        capsule = await open_capsule(session.bus, Blobs(session.bus), alarm_id)
        return replay(capsule, AnomalyPipeline(), models_in(capsule.models, unpack))
