"""The connectors of a system: those of the settings, those set up in the console, and the listener that is built in."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from iot_edge_anomaly.app.additions import changes, with_added
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.bus.server import listener_session
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.component.connector import Connector, Intake
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.health import ConnectorHealth, keep_health
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.operations.configure import added_file
from iot_edge_anomaly.security.secrets import Secret

PASSWORD_FILE = Path("security") / "bus.password"

log = structlog.get_logger(__name__)
_BY_TYPE = {spec.settings: spec for spec in CATALOG.values()}


async def take_in(settings: Settings, data_dir: Path, address: BusAddress, intake: Intake) -> None:
    """Run every connector until cancelled, and tell how each is.

    When what is set up in the console changes, only connectors that it concerns are started or stopped.
    """
    health: list[ConnectorHealth] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_health(health, data_dir))
        running = _Running(intake, tasks, health)
        await running.become(wanted_connectors(settings, data_dir, address))
        async for _ in changes(added_file(data_dir)):
            try:
                wanted = wanted_connectors(with_added(settings, data_dir), data_dir, address)
            except ConfigError as error:
                log.error("what is set up in the console cannot be used; connectors stay as they were", why=str(error))
            else:
                await running.become(wanted)


def connectors(settings: Settings, data_dir: Path, address: BusAddress) -> dict[str, Connector]:
    """Make the connectors of the settings, and the listener that is built in."""
    wanted = wanted_connectors(settings, data_dir, address)
    return {name: _BY_TYPE[type(said)].create(said) for name, said in wanted.items()}


def wanted_connectors(settings: Settings, data_dir: Path, address: BusAddress) -> dict[str, msgspec.Struct]:
    """Return the settings of each connector by its name."""
    named = {f"{_BY_TYPE[type(said)].name}-{number}": said for number, said in enumerate(settings.connectors)}
    return named if address.mqtt_port is None else {**named, "embedded-mqtt": _embedded(address, data_dir)}


class _Running:
    """The connectors that run, each in a task of its own."""

    def __init__(self, intake: Intake, tasks: asyncio.TaskGroup, health: list[ConnectorHealth]) -> None:
        self._intake = intake
        self._tasks = tasks
        self._health = health
        self._now: dict[str, tuple[msgspec.Struct, asyncio.Task[None]]] = {}

    async def become(self, wanted: Mapping[str, msgspec.Struct]) -> None:
        """Stop what is not wanted any more, then start what is new."""
        gone = [name for name, (said, _) in self._now.items() if wanted.get(name) != said]
        stopped = [self._now.pop(name)[1] for name in gone]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        self._health[:] = [one for one in self._health if one.name not in gone]
        for name in wanted.keys() - self._now.keys():
            self._start(name, wanted[name])

    def _start(self, name: str, said: msgspec.Struct) -> None:
        health = ConnectorHealth(name)
        made = {name: _BY_TYPE[type(said)].create(said)}
        task = self._tasks.create_task(run_all(made, self._intake, SystemClock(), {name: health}))
        self._health.append(health)
        self._now[name] = said, task


def _embedded(address: BusAddress, data_dir: Path) -> MqttSettings:
    assert address.mqtt_port is not None
    assert address.mqtt_host is not None
    return MqttSettings(
        host="127.0.0.1" if address.mqtt_host == "0.0.0.0" else address.mqtt_host,  # noqa: S104 - compared, not bound
        port=address.mqtt_port,
        user=address.user,
        password=Secret(file=str(data_dir / PASSWORD_FILE)),
        client_id=listener_session(data_dir),
        topics=("ingress/#",),
        prefix="ingress",
    )
