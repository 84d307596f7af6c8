"""`sink`: try a sink, and look at what its target refused."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, ConfigFile, DataDir, existing
from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Priority
from iot_edge_anomaly.sinks.catalog import spec_of
from iot_edge_anomaly.sinks.places import Places, Refusal
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.sinks.wording import title

sink = typer.Typer(no_args_is_help=True, help="Try a sink, or look at what its target refused.")

Name = Annotated[str, typer.Argument(help="The name of a [[sink]] of the configuration file.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(sink, name="sink")


@sink.command("test")
def try_out(name: Name, config: ConfigFile = None) -> None:
    """Send one message that says that it is a test, once, and tell what the target said; exit code 1 if it failed.

    Works whether the system runs or not.

    Example: iot-edge-anomaly sink test shift-mail --config plant.toml
    """
    settings = _named(name, config)
    posting = trial(time.time_ns())
    asyncio.run(_deliver(settings, posting))
    typer.echo(f"{name}: the target has taken it: {title(posting)} (id {posting.id})")


@sink.command("refused")
def refused(name: Name, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show what the target of a sink refused for good and what it said, the latest 64, oldest first.

    Example: iot-edge-anomaly sink refused shift-mail
    """
    found = asyncio.run(_refused(name, existing(data_dir)))
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    for one in found:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at))
        said = one.message
        typer.echo(f"{at}  {said.id}  {said.asset}  {said.condition}  {said.event}\n          {one.why}")
    if not found:
        typer.echo("nothing was refused")


def trial(now_ns: int) -> Posting:
    """Return what is sent to try a sink."""
    reason = "somebody tries whether alarms arrive; nothing is wrong"
    states = (AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED)
    event = AlarmEvent("A0", "I0", "test", Event.RAISE, *states, now_ns, Priority.LOW, reason)
    return Posting(AssetKey("test", "iot-edge-anomaly"), event, 0, 0, now_ns)


def _named(name: str, config: Path | None) -> SinkSettings:
    sinks = {settings.name: settings for settings in load(config).sinks}
    if name not in sinks:
        known = f"there are {', '.join(sinks)}" if sinks else "the configuration names none; did you give --config?"
        raise ConfigError(f"there is no sink {name!r}; {known}")
    return sinks[name]


async def _deliver(settings: SinkSettings, posting: Posting) -> None:
    async with spec_of(settings).create(settings) as opened:
        await opened.deliver([posting])


async def _refused(name: str, data_dir: Path) -> list[Refusal]:
    async with connect(read_address(data_dir), "command") as bus:
        return await Places(bus, name, from_start=False).refused()
