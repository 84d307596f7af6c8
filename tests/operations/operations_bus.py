"""A real NATS server for operations that keep something, and a connection to it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import ensure_streams

PARTITIONS = 2
SETTINGS = BusSettings(quota_mb=64, partitions=PARTITIONS)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Bus]:
    """Run a server of a data folder for the time of the block."""
    ports = {"port": free_port(), "mqtt_port": free_port()}
    address = embedded_address(folder, SETTINGS, **ports)
    configuration = write_configuration(folder, SETTINGS, **ports, devices=())
    process = subprocess.Popen([server_binary(SETTINGS), "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(20):
            await until_ready(address)
        async with connect(address, "test") as bus:
            await ensure_streams(bus, PARTITIONS, address.quota_bytes)
            yield bus
    finally:
        process.kill()
        process.wait(10)
