"""The roles that one process each can play, but for the worker, which has a file of its own."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from iot_edge_anomaly.app.configure import KEY as RULES_KEY
from iot_edge_anomaly.app.ports import recorded_port
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.worker import process_partitions, run_worker, stop_event
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import GroupCommit, open_intake
from iot_edge_anomaly.bus.settings import BusAddress, read_address
from iot_edge_anomaly.bus.streams import CONFIGURATION
from iot_edge_anomaly.component.connector import Connector
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.gateway.serve import become_gateway
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.pipeline.settings import AssetRule, unpack_rules
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.security.secrets import Secret
from iot_edge_anomaly.security.tokens import token_store
from iot_edge_anomaly.training.trainer import train
from iot_edge_anomaly.views.follow import follow_plant
from iot_edge_anomaly.views.plant import Plant

PASSWORD_FILE = Path("security") / "bus.password"


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
        from iot_edge_anomaly.console.serve import run_console as serve
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the web page needs {error.name}; bring it with: pip install 'iot-edge-anomaly[console]'"
        ) from error
    address = read_address(data_dir)
    async with connect(address, "console") as bus, open_intake(bus, address.partitions) as intake:
        plant = Plant(await rules_of(bus))
        async with beside(
            keep_snapshot("console", metrics_folder(data_dir)), follow_plant(bus, address.partitions, plant)
        ):
            await serve(
                plant,
                Operations(plant, intake, SystemClock()),
                token_store(data_dir),
                host=settings.console.host,
                port=recorded_port(data_dir, "console"),
            )


async def run_gateway(settings: Settings, data_dir: Path) -> None:
    """Become the HTTP API."""
    port = recorded_port(data_dir, "gateway")
    become_gateway(data_dir, msgspec.structs.replace(settings.gateway, port=port))


ROLES: Mapping[str, Callable[[Settings, Path], Awaitable[None]]] = {
    "worker": run_worker,
    "connectors": run_connectors,
    "trainer": run_trainer,
    "gateway": run_gateway,
    "console": run_console,
    "edge": run_edge,
}
"""What `run ROLE` can play; the demo's devices come on top."""


async def take_in(settings: Settings, data_dir: Path, address: BusAddress, intake: GroupCommit) -> None:
    """Run every connector until cancelled."""
    await run_all(connectors(settings, data_dir, address), intake, SystemClock())


def connectors(settings: Settings, data_dir: Path, address: BusAddress) -> dict[str, Connector]:
    """Make the connectors: those of the settings, and the listener that is built in."""
    made: dict[str, Connector] = {}
    by_type = {spec.settings: spec for spec in CATALOG.values()}
    for number, wanted in enumerate(settings.connectors):
        spec = by_type[type(wanted)]
        made[f"{spec.name}-{number}"] = spec.create(wanted)
    if address.mqtt_port is not None:
        made["embedded-mqtt"] = CATALOG["mqtt"].create(_embedded(address, data_dir))
    return made


def _embedded(address: BusAddress, data_dir: Path) -> MqttSettings:
    assert address.mqtt_port is not None
    assert address.mqtt_host is not None
    return MqttSettings(
        host="127.0.0.1" if address.mqtt_host == "0.0.0.0" else address.mqtt_host,  # noqa: S104 - compared, not bound
        port=address.mqtt_port,
        user=address.user,
        password=Secret(file=str(data_dir / PASSWORD_FILE)),
        client_id=f"iot-edge-anomaly-{socket.gethostname()}",
        topics=("ingress/#",),
        prefix="ingress",
    )


async def rules_of(bus: Bus) -> tuple[AssetRule, ...]:
    """Return the asset rules in force."""
    known = await bus.get_key(CONFIGURATION, RULES_KEY)
    return () if known is None else unpack_rules(known[0])


async def _until_stopped(role: str, data_dir: Path, *work) -> None:  # type: ignore[no-untyped-def]
    stop = stop_event()
    async with beside(keep_snapshot(role, metrics_folder(data_dir)), *work):
        await stop.wait()
