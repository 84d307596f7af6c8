"""A real broker with one device's credentials, a subscriber with a session that lasts, and devices as processes."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.server import (
    ROLE_USER,
    embedded_address,
    role_password,
    server_binary,
    until_ready,
    write_configuration,
)
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.demo.settings import device_topic, device_user
from iot_edge_anomaly.security.devices import Device

PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
from iot_edge_anomaly.demo.device import run_device
signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where Ctrl-C is ignored
name, folder, port, user, password = sys.argv[1:]
asyncio.run(run_device(name, Path(folder), "127.0.0.1", int(port), user, password))
"""
SETTINGS = BusSettings(quota_mb=64)


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Plant:
    """One broker, and what a subscriber has heard from one device."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.port, self.mqtt_port = free_port(), free_port()
        self.heard: list[dict[str, Any]] = []
        self._device = Device(device_user(name), "a-password", "demo")
        self._broker: subprocess.Popen[bytes] | None = None
        self._subscribed = threading.Event()

    def start_broker(self) -> None:
        path = write_configuration(
            self.folder, SETTINGS, port=self.port, mqtt_port=self.mqtt_port, devices=[self._device]
        )
        self._broker = subprocess.Popen(
            [server_binary(SETTINGS), "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        address = embedded_address(self.folder, SETTINGS, port=self.port, mqtt_port=self.mqtt_port)
        asyncio.run(asyncio.wait_for(until_ready(address), 20))

    def kill_broker(self) -> None:
        if self._broker is not None:
            self._broker.kill()
            self._broker.wait(10)

    @contextmanager
    def device(self) -> Iterator[subprocess.Popen[bytes]]:
        """The device as a process; interrupted at the end, which cancels it."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *self._arguments()],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)

    def _arguments(self) -> list[str]:
        return [self.name, str(self.folder), str(self.mqtt_port), self._device.user, self._device.password]

    @contextmanager
    def subscriber(self) -> Iterator[None]:
        client = Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        client.username_pw_set(ROLE_USER, role_password(self.folder))
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: client.subscribe(device_topic(self.name), qos=1)
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._hear
        client.connect("127.0.0.1", self.mqtt_port)
        client.loop_start()
        try:
            assert self._subscribed.wait(10)
            yield
        finally:
            client.disconnect()
            client.loop_stop()

    def _hear(self, _client: Client, _user_data: object, message: MQTTMessage) -> None:
        self.heard.append(msgspec.json.decode(message.payload))

    def numbers(self, epoch: int) -> list[int]:
        return [message["sequence"] for message in self.heard if message["epoch"] == epoch]
