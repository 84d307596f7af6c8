"""A real NATS server that keeps the places of sinks, and speaks MQTT."""

import asyncio
import subprocess
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings
from iot_edge_anomaly.bus.streams import ensure_streams

PARTITIONS = 2
SETTINGS = BusSettings(quota_mb=64, partitions=PARTITIONS)


class SinkBus:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.mqtt_port = free_port(), free_port()
        self.address: BusAddress = embedded_address(folder, SETTINGS, port=self.port, mqtt_port=self.mqtt_port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.launch()
        asyncio.run(self._until_ready())

    def launch(self) -> None:
        """Start the server and do not wait for it."""
        written = write_configuration(self.folder, SETTINGS, port=self.port, mqtt_port=self.mqtt_port, devices=())
        command = [str(server_binary(SETTINGS)), "-c", str(written)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    async def _until_ready(self) -> None:
        async with asyncio.timeout(20):
            await until_ready(self.address)
        async with connect(self.address) as bus:
            await ensure_streams(bus, PARTITIONS, self.address.quota_bytes)
