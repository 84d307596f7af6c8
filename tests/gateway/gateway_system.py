"""A real gateway: Granian in front of a real NATS server, both processes on loopback."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings, address_file
from iot_edge_anomaly.bus.streams import READINGS, ensure_streams, readings_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item
from iot_edge_anomaly.gateway.serve import command
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.security.private_file import write_private
from iot_edge_anomaly.security.tokens import token_store
from iot_edge_anomaly.storage.database import open_database, view_database
from iot_edge_anomaly.views.records_store import Records

EVERYTHING = frozenset(Permission)


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class System:
    """Broker and gateway of one data folder."""

    def __init__(self, data_dir: Path, settings: GatewaySettings) -> None:
        self.data_dir = data_dir
        self.bus = BusSettings(quota_mb=256, partitions=2)
        self.settings = msgspec.structs.replace(settings, port=free_port())
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self._port, self._mqtt_port = free_port(), free_port()
        self.address: BusAddress = embedded_address(data_dir, self.bus, port=self._port, mqtt_port=self._mqtt_port)
        self.broker: subprocess.Popen[bytes] | None = None
        self.gateway: subprocess.Popen[bytes] | None = None
        self.views: subprocess.Popen[bytes] | None = None

    def start_broker(self) -> None:
        configuration = write_configuration(
            self.data_dir, self.bus, port=self._port, mqtt_port=self._mqtt_port, devices=()
        )
        with (self.data_dir / "broker.log").open("ab") as log:
            self.broker = subprocess.Popen([server_binary(self.bus), "-c", configuration], stderr=log)
        asyncio.run(self._until_broker_ready())
        write_private(address_file(self.data_dir), msgspec.json.encode(self.address))

    async def _until_broker_ready(self) -> None:
        async with asyncio.timeout(20):
            await until_ready(self.address)
        async with connect(self.address) as bus:
            await ensure_streams(bus, self.bus.partitions, self.address.quota_bytes)

    def start_gateway(self) -> None:
        argv, env = command(self.data_dir, self.settings)
        with (self.data_dir / "gateway.log").open("ab") as log:
            self.gateway = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
        eventually(self.is_alive)

    def start_views(self) -> None:
        """Start the role that keeps the view database."""
        command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "run", "views", "--data-dir", str(self.data_dir)]
        with (self.data_dir / "views.log").open("ab") as log:
            self.views = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self.has_database, 60)

    def has_database(self) -> bool:
        try:
            Records(open_database(view_database(self.data_dir))).positions()
        except UnavailableError:
            return False
        return True

    def is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        for process in (self.views, self.gateway, self.broker):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(20)

    def kill_broker(self) -> None:
        assert self.broker is not None
        self.broker.kill()
        self.broker.wait(10)

    def client(self, *permissions: Permission, tenants: Any = "*", name: str = "tester") -> httpx.Client:
        token = token_store(self.data_dir).create(Principal(name, tenants, frozenset(permissions or EVERYTHING)))
        headers = {"Authorization": f"Bearer {token}"}
        eventually(lambda: httpx.get(f"{self.url}/metrics", headers=headers).status_code != 401)
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def log(self) -> str:
        return (self.data_dir / "gateway.log").read_text(errors="replace")

    def worker(self) -> psutil.Process:
        assert self.gateway is not None
        children = psutil.Process(self.gateway.pid).children()
        return next(child for child in children if "tracker" not in " ".join(child.cmdline()))

    def stored(self) -> list[Item]:
        """Everything in READINGS, partition by partition."""
        return asyncio.run(self._stored())

    async def _stored(self) -> list[Item]:
        found: list[Item] = []
        async with connect(self.address) as bus:
            for partition in range(self.bus.partitions):
                following = 0
                while messages := await bus.read(READINGS, readings_subject(partition), following):
                    following = messages[-1].seq + 1
                    found += [item for m in messages for item in decode_envelope(m.data, m.seq).items]
        return found

    def batches(self, asset: str) -> list[Batch]:
        return [item for item in self.stored() if isinstance(item, Batch) and str(item.key) == asset]


def running(data_dir: Path, settings: GatewaySettings) -> Iterator[System]:
    system = System(data_dir, settings)
    try:
        system.start_broker()
        system.start_gateway()
        yield system
    finally:
        system.stop()
