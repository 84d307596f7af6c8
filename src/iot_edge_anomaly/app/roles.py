"""The roles that one process each can play, but for the worker, which has a file of its own."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from iot_edge_anomaly.app.additions import findings
from iot_edge_anomaly.app.history import history_folder, open_history, run_historian
from iot_edge_anomaly.app.ports import recorded_port
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.taking_in import take_in
from iot_edge_anomaly.app.worker import process_partitions, run_worker, stop_event
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.admit import Admit
from iot_edge_anomaly.operations.configure import Configure
from iot_edge_anomaly.operations.exports import Exports
from iot_edge_anomaly.operations.replays import Replays
from iot_edge_anomaly.operations.rule_store import RuleStore
from iot_edge_anomaly.operations.set_aside import SetAsideDesk
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.resilience.precedence import give_way
from iot_edge_anomaly.security.tokens import token_store
from iot_edge_anomaly.training.trainer import train
from iot_edge_anomaly.views.follow import CatchUp, follow_plant
from iot_edge_anomaly.views.plant import Plant
from iot_edge_anomaly.views.rules import keep_rules, read_rules


async def run_connectors(settings: Settings, data_dir: Path) -> None:
    """Take readings in from everywhere the settings name, and from the embedded MQTT listener."""
    address = read_address(data_dir)
    async with connect(address, "connectors") as bus, open_intake(bus, address.partitions) as intake:
        await _until_stopped("connectors", data_dir, take_in(settings, data_dir, address, intake))


async def run_trainer(_settings: Settings, data_dir: Path) -> None:
    """Answer requests for models."""
    address = read_address(data_dir)
    async with connect(address, "trainer") as bus, open_intake(bus, address.partitions) as intake:
        await _until_stopped("trainer", data_dir, train(bus, intake, address.partitions, SystemClock()))


async def run_edge(settings: Settings, data_dir: Path) -> None:
    """Connectors and worker in one process: the small footprint for a gateway box."""
    address = read_address(data_dir)
    stop = stop_event()
    async with (
        connect(address, "edge") as bus,
        open_intake(bus, address.partitions) as intake,
        beside(
            keep_snapshot("edge", metrics_folder(data_dir)),
            take_in(settings, data_dir, address, intake),
            train(bus, intake, address.partitions, SystemClock()),
        ),
    ):
        await process_partitions(bus, address, settings, stop)


async def run_console(settings: Settings, data_dir: Path) -> None:
    """Serve the web page. Raises ConfigError when the extra is not installed."""
    try:
        from iot_edge_anomaly.console.backstage import Backstage
        from iot_edge_anomaly.console.serve import run_console as serve
        from iot_edge_anomaly.storage.database import open_database, view_database
        from iot_edge_anomaly.views.records_store import Records
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the web page needs {error.name}; bring it with: pip install 'iot-edge-anomaly[console]'"
        ) from error
    address, clock = read_address(data_dir), SystemClock()
    async with connect(address, "console") as bus, open_intake(bus, address.partitions) as intake:
        plant, records = Plant(await read_rules(bus)), Records(open_database(view_database(data_dir)))
        catch_up = CatchUp()
        async with beside(
            keep_snapshot("console", metrics_folder(data_dir)),
            follow_plant(bus, address.partitions, plant, catch_up=catch_up),
            keep_rules(bus, plant),
        ):
            await serve(
                plant,
                Operations(plant, intake, clock, RuleStore(bus, intake, clock), records),
                token_store(data_dir),
                host=settings.console.host,
                port=recorded_port(data_dir, "console"),
                records=records,
                backstage=Backstage(
                    data_dir,
                    settings.file,
                    f"http://{settings.gateway.host}:{recorded_port(data_dir, 'gateway')}",
                    address,
                    bus,
                    plant,
                    Configure(bus, data_dir, findings),
                    Admit(data_dir),
                    SetAsideDesk(plant, bus, intake, SystemClock()),
                ),
                history=open_history(settings, data_dir),
                replays=Replays(bus),
                exports=Exports(bus, history_folder(data_dir), address.partitions),
                trouble=lambda: _trouble(bus, catch_up),
            )


def _trouble(bus: Bus, catch_up: CatchUp) -> str:
    if not bus.is_connected:
        return "The bus cannot be reached: what you see is how things were. It goes on by itself."
    return "" if catch_up.is_done else "What was stored is being read: assets and alarms may still be missing."


async def run_views(settings: Settings, data_dir: Path) -> None:
    """Keep the view database. It is loaded here: no other role needs what databases are read with."""
    from iot_edge_anomaly.app.views_role import run_views as keep

    await keep(settings, data_dir)


async def run_sinks(settings: Settings, data_dir: Path) -> None:
    """Hand alarms on to where the settings say; loaded here, as the view database is what it reads."""
    from iot_edge_anomaly.app.sinks_role import run_sinks as hand_on

    await hand_on(settings, data_dir)


async def run_gateway(settings: Settings, data_dir: Path) -> None:
    """Become the HTTP API. It is loaded here: the edge has no room for it."""
    from iot_edge_anomaly.gateway.serve import become_gateway

    port = recorded_port(data_dir, "gateway")
    become_gateway(data_dir, msgspec.structs.replace(settings.gateway, port=port))


ROLES: Mapping[str, Callable[[Settings, Path], Awaitable[None]]] = {
    "worker": run_worker,
    "connectors": run_connectors,
    "trainer": run_trainer,
    "gateway": run_gateway,
    "views": run_views,
    "sinks": run_sinks,
    "console": run_console,
    "historian": run_historian,
    "edge": run_edge,
}
"""What `run ROLE` can play; the demo's devices come on top."""

LATER = frozenset({"trainer", "console", "historian"})
"""Roles whose work can wait a moment: they give way to those that take in, score and hand on alarms."""


async def play(role: str, settings: Settings, data_dir: Path) -> None:
    """Play a role of `ROLES` until it is stopped. Raises ConfigError where a setting or a package is missing."""
    if role in LATER:
        give_way()
    await ROLES[role](settings, data_dir)


async def _until_stopped(role: str, data_dir: Path, *work) -> None:  # type: ignore[no-untyped-def]
    stop = stop_event()
    async with beside(keep_snapshot(role, metrics_folder(data_dir)), *work):
        await stop.wait()
