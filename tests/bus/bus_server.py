"""A real NATS server, a child process on loopback, that a test may stop, kill and start again."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.server import embedded_address, lean, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.security.devices import devices


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


class BusServer:
    """The server of one data folder; ports stay the same from start to start."""

    def __init__(self, data_dir: Path, settings: BusSettings) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.port, self.mqtt_port = free_port(), free_port()
        self.address: BusAddress = embedded_address(data_dir, settings, port=self.port, mqtt_port=self.mqtt_port)
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self) -> Path:
        return write_configuration(
            self.data_dir, self.settings, port=self.port, mqtt_port=self.mqtt_port, devices=devices(self.data_dir)
        )

    def launch(self) -> None:
        with (self.data_dir / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [server_binary(self.settings), "-c", self.configure()],
                stderr=log,
                env={**os.environ, **lean(self.settings)},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    async def start(self) -> None:
        self.launch()
        async with asyncio.timeout(20):
            await until_ready(self.address)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def log(self) -> str:
        return (self.data_dir / "server.log").read_text(errors="replace")
