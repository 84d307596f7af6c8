"""The demo's devices as processes: their credentials, and one device each."""

import asyncio
from pathlib import Path

from iot_edge_anomaly.app.worker import stop_event
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.demo.device import run_device
from iot_edge_anomaly.demo.settings import TENANT, demo_devices, device_user
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.security.devices import create_device, devices


def ensure_device_credentials(data_dir: Path) -> None:
    """Make the credentials of the demo's devices that are not there yet."""
    known = {device.user for device in devices(data_dir)}
    for name in demo_devices():
        if device_user(name) not in known:
            create_device(data_dir, device_user(name), TENANT)


async def run_demo_device(name: str, data_dir: Path) -> None:
    """Be one device of the demo plant until told to stop. Raises ConfigError."""
    address = read_address(data_dir)
    if address.mqtt_port is None or address.mqtt_host is None:
        raise ConfigError("the demo needs the embedded server: leave url out of [bus]")
    credentials = {device.user: device for device in devices(data_dir)}
    device = credentials.get(device_user(name))
    if device is None:
        raise ConfigError(f"there are no credentials for the demo device {name!r}")
    stop: asyncio.Event = stop_event()
    async with beside(run_device(name, data_dir, address.mqtt_host, address.mqtt_port, device.user, device.password)):
        await stop.wait()
