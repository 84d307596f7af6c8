"""The embedded server as a supervised process: started, told of new devices, restarted when its disk was full."""

import os
import shutil
import signal
from pathlib import Path

import anyio
import structlog

from iot_edge_anomaly.app.plan import Plan, Ports
from iot_edge_anomaly.bus import server
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.bus.streams import LEDGER
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.resilience.supervise import ProcessSpec, Supervisor
from iot_edge_anomaly.security.devices import devices, devices_file

log = structlog.get_logger(__name__)

ROLE = "broker"
LOOK_SECONDS = 1.0
PROBE_SECONDS = 2.0
PROBES_BEFORE_RESTART = 3
ROOM_BYTES = 16 << 20


async def start_broker(supervisor: Supervisor, plan: Plan, ports: Ports) -> BusAddress:
    """Start the server and wait until it answers. Raises ConfigError, FatalError."""
    settings = plan.settings.bus
    binary = server.server_binary(settings)
    configuration = _write(plan, ports)
    address = server.embedded_address(plan.data_dir, settings, port=ports.bus, mqtt_port=ports.mqtt)
    spec = ProcessSpec(
        ROLE,
        (str(binary), "-c", str(configuration)),
        env={**os.environ, **server.lean(settings)},
        port=ports.bus,
        ready=lambda: server.until_ready(address),
    )
    await supervisor.start(spec)
    return address


async def take_new_devices(supervisor: Supervisor, plan: Plan, ports: Ports) -> None:
    """Have the server read its configuration again whenever a device was created or removed."""
    path = devices_file(plan.data_dir)
    seen = _stamp(path)
    while True:
        await anyio.sleep(LOOK_SECONDS)
        if (now := _stamp(path)) != seen:
            seen = now
            _write(plan, ports)
            supervisor.send_signal(ROLE, signal.SIGHUP)
            log.info("devices changed; the broker reads them again", devices=len(devices(plan.data_dir)))


async def restart_when_stuck(supervisor: Supervisor, bus: Bus, data_dir: Path) -> None:
    """Restart the server when it answers but cannot store although the disk has room again.

    A server whose disk was full refuses to write until it is restarted; nothing acknowledged is lost by that.
    """
    failures = 0
    while True:
        await anyio.sleep(PROBE_SECONDS)
        try:
            await bus.put_key(LEDGER, "probe", b"1")
        except IotEdgeAnomalyError as error:
            failures += bus.is_connected
            room = shutil.disk_usage(data_dir).free
            if failures >= PROBES_BEFORE_RESTART and room > ROOM_BYTES:
                log.warning("the broker cannot store although there is room; restarting it", error=str(error))
                supervisor.send_signal(ROLE, signal.SIGTERM)
                failures = 0
        else:
            failures = 0


def _write(plan: Plan, ports: Ports) -> Path:
    return server.write_configuration(
        plan.data_dir, plan.settings.bus, port=ports.bus, mqtt_port=ports.mqtt, devices=devices(plan.data_dir)
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_mtime_ns, path.stat().st_ino) if path.exists() else None
