"""A real NATS server for views to follow, which a test may kill and start again."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import ensure_streams

SETTINGS = BusSettings(quota_mb=64, partitions=2)


class Broker:
    def __init__(self, folder: Path) -> None:
        self.port, mqtt_port = free_port(), free_port()
        self.address = embedded_address(folder, SETTINGS, port=self.port, mqtt_port=mqtt_port)
        configuration = write_configuration(folder, SETTINGS, port=self.port, mqtt_port=mqtt_port, devices=())
        self._command = [str(server_binary(SETTINGS)), "-c", str(configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        async with asyncio.timeout(20):
            await until_ready(self.address)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Broker, Bus]]:
    broker = Broker(folder)
    await broker.start()
    try:
        async with connect(broker.address) as bus:
            await ensure_streams(bus, 2, broker.address.quota_bytes)
            yield broker, bus
    finally:
        broker.kill()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)
