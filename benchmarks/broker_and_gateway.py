"""The least that takes readings in over HTTP: a broker and a gateway, processes on loopback with their own folder."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.server import embedded_address, lean, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings, address_file
from iot_edge_anomaly.bus.streams import ensure_streams
from iot_edge_anomaly.gateway.serve import command
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.security.private_file import write_private
from iot_edge_anomaly.security.tokens import ensure_owner_token


@dataclass(frozen=True)
class Target:
    """Where to send requests, and who does the work."""

    port: int
    token: str
    address: BusAddress
    broker: psutil.Process
    gateway: psutil.Process

    def cpu_seconds(self) -> dict[str, float]:
        """Return the processor time used so far, by part."""
        parts = {"generator": psutil.Process(), "gateway": self.gateway, "broker": self.broker}
        return {name: sum(process.cpu_times()[:2]) for name, process in parts.items()}


@asynccontextmanager
async def broker_and_gateway(data_dir: Path, bus: BusSettings) -> AsyncIterator[Target]:
    """Start both for the time of the block."""
    port, mqtt_port, http_port = (_free_port() for _ in range(3))
    address = embedded_address(data_dir, bus, port=port, mqtt_port=mqtt_port)
    configuration = write_configuration(data_dir, bus, port=port, mqtt_port=mqtt_port, devices=())
    with (data_dir / "broker.log").open("wb") as log:
        broker = subprocess.Popen(
            [server_binary(bus), "-c", configuration], stderr=log, env={**os.environ, **lean(bus)}
        )
    try:
        await until_ready(address)
        async with connect(address) as connection:
            await ensure_streams(connection, bus.partitions, address.quota_bytes)
        write_private(address_file(data_dir), msgspec.json.encode(address))
        token = ensure_owner_token(data_dir).read_text().strip()
        argv, env = command(data_dir, GatewaySettings(port=http_port))
        gateway = subprocess.Popen(argv, env=env)
        try:
            await _until_listening(http_port)
            worker = max(psutil.Process(gateway.pid).children(), key=lambda child: child.memory_info().rss)
            yield Target(http_port, token, address, psutil.Process(broker.pid), worker)
        finally:
            gateway.terminate()
            gateway.wait(30)
    finally:
        broker.terminate()
        broker.wait(30)


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
