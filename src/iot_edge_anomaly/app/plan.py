"""What `up` will run: which processes, on which ports, under which rules. Pure but for looking at free ports."""

import importlib.util
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec

from iot_edge_anomaly.app.additions import with_added
from iot_edge_anomaly.app.history import READS, has_history
from iot_edge_anomaly.app.history import ROLE as HISTORIAN
from iot_edge_anomaly.app.ports import choose_port
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.bus.streams import MQTT_MESSAGES
from iot_edge_anomaly.connectors.host import HostSettings
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.demo.settings import demo_devices, demo_rules
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.resilience.environment import FEW_HEAPS, MEMORY_GIVEN_BACK, ONE_BLAS_THREAD
from iot_edge_anomaly.resilience.supervise import ProcessSpec
from iot_edge_anomaly.views.settings import READER as VIEWS
from iot_edge_anomaly.views.settings import READS as READ_BY_VIEWS

BUS_PORT, MQTT_PORT, GATEWAY_PORT, CONSOLE_PORT = 4222, 1883, 8080, 8090
"""The ports that are taken where they are free and the settings name no other."""


@dataclass(frozen=True)
class Plan:
    """What the user asked for."""

    settings: Settings
    data_dir: Path
    config: Path | None = None
    demo: bool = False


@dataclass(frozen=True)
class Ports:
    """Where the parts listen."""

    bus: int
    mqtt: int
    gateway: int
    console: int


def choose_ports(plan: Plan) -> Ports:
    """Choose the ports and record them. Raises ConfigError when one that the settings name is taken."""
    bus, gateway, console = plan.settings.bus, plan.settings.gateway, plan.settings.console
    return Ports(
        choose_port(plan.data_dir, "bus", "127.0.0.1", bus.port, BUS_PORT),
        choose_port(plan.data_dir, "mqtt", bus.mqtt_host, bus.mqtt_port, MQTT_PORT),
        choose_port(plan.data_dir, "gateway", gateway.host, gateway.port, GATEWAY_PORT),
        choose_port(plan.data_dir, "console", console.host, console.port, CONSOLE_PORT),
    )


def rules(plan: Plan) -> tuple[AssetRule, ...]:
    """Return the asset rules; later ones beat earlier ones: of the demo, of the settings, of the console.

    Raises ConfigError where what is set up in the console cannot be used.
    """
    return (*(demo_rules() if plan.demo else ()), *with_added(plan.settings, plan.data_dir).rules)


def with_demo(settings: Settings, *, demo: bool) -> Settings:
    """Return the settings; with the demo they take in readings of this machine too."""
    if not demo or any(isinstance(connector, HostSettings) for connector in settings.connectors):
        return settings
    return msgspec.structs.replace(settings, connectors=(*settings.connectors, HostSettings()))


def has_console(plan: Plan) -> bool:
    """Tell whether there will be a page: wanted, and the extra `console` is installed."""
    return plan.settings.console.enabled and importlib.util.find_spec("nicegui") is not None


def readers(plan: Plan) -> Mapping[str, tuple[str, ...]]:
    """Return who must see every message, and of which streams: nothing is purged before."""
    return {VIEWS: READ_BY_VIEWS, **({HISTORIAN: READS} if has_history(plan.settings) else {})}


def roles(plan: Plan, ports: Ports) -> Iterator[ProcessSpec]:
    """Yield the processes in the order of their start; the broker runs already."""
    yield _role(plan, "worker")
    yield _role(plan, "trainer")
    embedded = plan.settings.bus.url is None
    yield _role(plan, "connectors", ready=_subscribed(plan.data_dir) if embedded else None)
    yield _role(plan, VIEWS)
    if plan.settings.sinks:
        yield _role(plan, "sinks")
    gateway = plan.settings.gateway
    yield _role(plan, "gateway", port=ports.gateway, ready=_listening(gateway.host, ports.gateway))
    if has_history(plan.settings):
        yield _role(plan, HISTORIAN)
    if has_console(plan):
        console = plan.settings.console
        is_there = _listening(console.host, ports.console)
        yield _role(plan, "console", port=ports.console, ready=is_there, memory=MEMORY_GIVEN_BACK | FEW_HEAPS)
    if plan.demo:
        for device in demo_devices():
            yield _role(plan, "device", device, name=device)


def _role(
    plan: Plan,
    role: str,
    *arguments: str,
    name: str | None = None,
    port: int | None = None,
    ready: Callable[[], Awaitable[None]] | None = None,
    memory: Mapping[str, str] = MEMORY_GIVEN_BACK,
) -> ProcessSpec:
    argv = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "run", role, *arguments]
    argv += ["--data-dir", str(plan.data_dir)]
    argv += ["--config", str(plan.config)] if plan.config else []
    argv += ["--demo"] if plan.demo else []
    env = {**memory, **os.environ, **ONE_BLAS_THREAD}
    return ProcessSpec(name or role, tuple(argv), env=env, port=port, ready=ready)


def _subscribed(data_dir: Path) -> Callable[[], Awaitable[None]]:
    """Return a wait for the MQTT session of the connector: before it, nobody keeps what a device sends."""

    async def until_subscribed() -> None:
        async with connect(read_address(data_dir), "readiness") as bus:
            while True:
                try:
                    if (await bus.stream_info(MQTT_MESSAGES))["state"]["consumer_count"] > 0:
                        return
                except RejectedError:
                    pass  # the server makes the stream at the first MQTT connection
                await anyio.sleep(0.05)

    return until_subscribed


def _listening(host: str, port: int) -> Callable[[], Awaitable[None]]:
    async def until_listening() -> None:
        while True:
            try:
                stream = await anyio.connect_tcp(host, port)
            except OSError:
                await anyio.sleep(0.05)
            else:
                await stream.aclose()
                return

    return until_listening
