"""`sink`: try a sink, look at what its target refused, pass over what it is stuck at."""

import asyncio
import time
from collections.abc import Iterable
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
from iot_edge_anomaly.sinks.health import read_health
from iot_edge_anomaly.sinks.places import Places, Refusal, known_sinks
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.sinks.skip import skip
from iot_edge_anomaly.sinks.wording import title

sink = typer.Typer(
    no_args_is_help=True, help="Try a sink, look at what its target refused, or pass over what it is stuck at."
)

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
        typer.echo(_line(one))
    if not found:
        typer.echo("nothing was refused")


@sink.command("skip")
def skip_one(name: Name, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Pass over the one event that a sink is stuck at, and print it; those behind it go on.

    For a target that fails at one event again and again, so that the sink is down, though it takes others. The event is
    kept with what was refused. Where the target is just away, every event would fail: wait, or mend it.

    Example: iot-edge-anomaly sink skip maintenance-system
    """
    skipped = asyncio.run(_skip(name, existing(data_dir)))
    typer.echo(msgspec.json.encode(skipped) if as_json else _line(skipped))


def _line(one: Refusal) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at))
    said = one.message
    return f"{at}  {said.id}  {said.asset}  {said.condition}  {said.event}\n          {one.why}"


def trial(now_ns: int) -> Posting:
    """Return what is sent to try a sink."""
    reason = "somebody tries whether alarms arrive; nothing is wrong"
    states = (AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED)
    event = AlarmEvent("A0", "I0", "test", Event.RAISE, *states, now_ns, Priority.LOW, reason)
    return Posting(AssetKey("test", "iot-edge-anomaly"), event, 0, 0, now_ns)


def _named(name: str, config: Path | None) -> SinkSettings:
    sinks = {settings.name: settings for settings in load(config).sinks}
    if name not in sinks:
        raise _unknown(name, sinks, "the configuration names none; did you give --config?")
    return sinks[name]


async def _deliver(settings: SinkSettings, posting: Posting) -> None:
    async with spec_of(settings).create(settings) as opened:
        await opened.deliver([posting])


async def _refused(name: str, data_dir: Path) -> list[Refusal]:
    async with connect(read_address(data_dir), "command") as bus:
        found = await Places(bus, name, from_start=False).refused()
        if not found and name not in (known := await known_sinks(bus)):
            raise _unknown(name, known, "none has handed alarms on from here")
        return found


async def _skip(name: str, data_dir: Path) -> Refusal:
    address = read_address(data_dir)
    sinks = {one.name: one for one in read_health(data_dir)}
    if name not in sinks:
        raise _unknown(name, sinks, "no process hands alarms on here; is the system running, with sinks?")
    async with connect(address, "command") as bus:
        return await skip(bus, sinks[name], time.time())


def _unknown(name: str, known: Iterable[str], if_none: str) -> ConfigError:
    names = ", ".join(sorted(known))
    return ConfigError(f"there is no sink {name!r}; {f'there are {names}' if names else if_none}")
