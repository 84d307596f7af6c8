"""`up` and `run`: start everything, or one role."""

import asyncio
from typing import Annotated

import typer

from iot_edge_anomaly.app.all_in_one import Running, running
from iot_edge_anomaly.app.demo_devices import run_demo_device
from iot_edge_anomaly.app.plan import Plan, with_demo
from iot_edge_anomaly.app.roles import ROLES, play
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.app.worker import stop_event
from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.narrate import narrate
from iot_edge_anomaly.cli.options import DATA_DIR, ConfigFile, DataDir
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.resilience.beside import beside

Demo = Annotated[bool, typer.Option("--demo", help="Add a simulated pumping station and the readings of this machine.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(up)
    app.command()(run)


def up(config: ConfigFile = None, data_dir: DataDir = DATA_DIR, demo: Demo = False) -> None:
    """Start everything on this machine and stay until Ctrl-C. A later start goes on where this one stopped.

    Examples:

      iot-edge-anomaly up --demo

      iot-edge-anomaly up --config plant.toml --data-dir /var/lib/iot-edge-anomaly
    """
    settings = load(config)
    configure_logging("supervisor")
    plan = Plan(with_demo(settings, demo=demo), data_dir.resolve(), config.resolve() if config else None, demo)
    typer.echo(f"starting in {plan.data_dir} ...")
    asyncio.run(_up(plan))
    typer.echo("stopped; everything is kept in the data folder")


async def _up(plan: Plan) -> None:
    stop = stop_event()
    async with running(plan) as system:
        _announce(plan, system)
        async with beside(narrate(system.bus, system.address.partitions)):
            await stop.wait()
        typer.echo("stopping ...")


def _announce(plan: Plan, system: Running) -> None:
    gateway = plan.settings.gateway
    lines = [f"API        http://{gateway.host}:{system.ports.gateway}   token in {system.owner_token}"]
    if system.address.mqtt_port is not None:
        topic = "ingress/<tenant>/<site>/<area>/<line>/<asset>"
        lines.append(f"MQTT       {system.address.mqtt_host}:{system.address.mqtt_port}   topics {topic}")
    if system.sign_in_link:
        lines += [f"page       {system.console_url}", f"sign in    {system.sign_in_link}   (once, for 15 minutes)"]
    elif plan.settings.console.enabled:
        lines.append("page       not installed; bring it with: pip install 'iot-edge-anomaly[console]'")
    if plan.demo:
        lines.append(
            "demo       three assets over MQTT; one second here is two minutes at the plant; first fault at 35 s"
        )
    typer.echo("\n".join(lines))


def run(
    role: Annotated[
        str,
        typer.Argument(
            help="worker, connectors, trainer, views, sinks, gateway, console, historian, edge, or device.",
            autocompletion=complete.roles,
        ),
    ],
    name: Annotated[str | None, typer.Argument(help="Which device of the demo plant.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = DATA_DIR,
    demo: Demo = False,
) -> None:
    """Play one role of a system whose bus runs already. `up` starts the roles this way.

    Example: iot-edge-anomaly run worker --data-dir /var/lib/iot-edge-anomaly
    """
    configure_logging(name or role)
    settings = with_demo(load(config), demo=demo)
    if role == "device" and name:
        asyncio.run(run_demo_device(name, data_dir))
    elif role in ROLES:
        asyncio.run(play(role, settings, data_dir))
    else:
        raise ConfigError(f"there is no role {role!r}; there are {', '.join([*ROLES, 'device NAME'])}")
