"""`asset …`: what there is, and what a person may say about it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import Session, opened
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.operations.durations import parse_duration
from iot_edge_anomaly.operations.limits import LIMITS
from iot_edge_anomaly.pipeline.settings import SensorSettings, sensor_settings
from iot_edge_anomaly.views.plant import AssetView

asset = typer.Typer(no_args_is_help=True, help="Assets: list, maintenance, shelve, new-normal, limits.")
Name = Annotated[str, typer.Argument(help="The asset, as tenant/.../asset.", autocompletion=complete.assets)]
For = Annotated[str, typer.Option("--for", help="How long, such as 30m, 2h, 1d; 0s ends it.")]
Limit = Annotated[str | None, typer.Option(help="A number; `file`: as the configuration file says again.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(asset, name="asset")


@asset.command("list")
def list_assets(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the assets: how far learned, the newest score, what stands open.

    Example: iot-edge-anomaly asset list --json
    """
    found = asyncio.run(_assets(data_dir))
    if as_json:
        rows = [{"asset": str(a.key), "phase": a.phase, "progress": a.progress, "score": a.score} for a in found]
        typer.echo(msgspec.json.encode(rows))
        return
    shown = table(("asset", "phase", "learned", "score", "open alarms"), map(_row, found))
    Console().print(shown if found else "no assets yet: nothing has come in")


def _row(one: AssetView) -> tuple[str, ...]:
    reasons = "\n".join(alarm.raised.reason for alarm in one.alarms)
    return str(one.key), one.phase, f"{one.progress:.0%}", f"{one.score:.2f}", reasons


async def _assets(data_dir: Path) -> list[AssetView]:
    async with opened(data_dir) as session:
        return list(session.plant.assets())


@asset.command()
def maintenance(name: Name, span: For, reason: Reason = "", data_dir: DataDir = DATA_DIR) -> None:
    """Say that an asset is being worked on: no alarms, nothing learned, until the time is over.

    Example: iot-edge-anomaly asset maintenance acme/site-1/pump-1 --for 2h --reason "new seal"
    """
    duration = parse_duration(span)
    _act(data_dir, lambda s: s.operations.maintenance(s.who, AssetKey.parse(name), duration, reason))
    typer.echo(f"{name} is in maintenance for {span}" if duration else f"maintenance of {name} is over")


@asset.command()
def shelve(
    name: Name,
    condition: Annotated[str, typer.Argument(help="The condition, such as score or limit:flow:H.")],
    span: For,
    reason: Reason = "",
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Put one condition of an asset out of sight for a while, and say why.

    Example: iot-edge-anomaly asset shelve acme/site-1/pump-1 limit:flow:H --for 30m --reason "flush"
    """
    duration = parse_duration(span)
    _act(data_dir, lambda s: s.operations.shelve(s.who, AssetKey.parse(name), condition, duration, reason))
    typer.echo(f"{condition} of {name} is shelved for {span}" if duration else f"{condition} of {name} is back")


@asset.command("new-normal")
def new_normal(name: Name, reason: Reason = "", data_dir: DataDir = DATA_DIR) -> None:
    """Say that what an asset does from now on is normal: it is learned anew.

    Example: iot-edge-anomaly asset new-normal acme/site-1/pump-1
    """
    _act(data_dir, lambda s: s.operations.new_normal(s.who, AssetKey.parse(name), reason))
    typer.echo(f"{name} is being learned anew; the present model scores meanwhile")


@asset.command()
def limits(
    name: Name,
    sensor: Annotated[str, typer.Argument(help="The sensor.")],
    high_high: Limit = None,
    high: Limit = None,
    low: Limit = None,
    low_low: Limit = None,
    deadband: Limit = None,
    reason: Reason = "",
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Set limits of one sensor, in its unit; they beat those of the configuration file. Without options: show them.

    Examples:

      iot-edge-anomaly asset limits acme/site-1/pump-1 flow

      iot-edge-anomaly asset limits acme/site-1/pump-1 flow --high 150 --low-low file --reason "new impeller"
    """
    given = dict(zip(LIMITS, (high_high, high, low, low_low, deadband), strict=True))
    wanted = {limit: _limit(text) for limit, text in given.items() if text is not None}
    known = asyncio.run(_limits(data_dir, AssetKey.parse(name), sensor, wanted, reason))
    for limit in LIMITS:
        value = getattr(known, limit)
        typer.echo(
            f"{limit.replace('_', ' '):<16} {'none' if value is None else f'{value:g}'} {known.unit or ''}".strip()
        )


def _limit(text: str) -> float | None:
    if text == "file":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no limit; write a number, or: file") from error


async def _limits(
    data_dir: Path, key: AssetKey, sensor: str, wanted: dict[str, float | None], reason: str
) -> SensorSettings:
    async with opened(data_dir) as session:
        if not wanted:
            return sensor_settings(session.plant.settings(key), sensor)
        return await session.operations.set_limits(session.who, key, sensor, wanted, reason)


def _act(data_dir: Path, act: Callable[[Session], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(data_dir) as session:
            await act(session)

    asyncio.run(run())
