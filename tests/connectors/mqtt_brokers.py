"""Real MQTT brokers on loopback, one child process each, which a test may kill and start again."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.server import ROLE_USER, embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.security.devices import create_device, devices
from iot_edge_anomaly.security.secrets import Secret


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class Broker(AbstractContextManager["Broker"]):
    """A broker that listens on `port`; `settings` let a connector in, `user` and `password` a device."""

    user: str | None = None
    password: str | None = None
    settings: MqttSettings

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        self.wait_until_ready()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def command(self) -> Sequence[object]:
        raise NotImplementedError

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "broker.log").read_text()
                time.sleep(0.02)
            else:
                return


class EmbeddedBroker(Broker):
    """The NATS server that comes with the product."""

    def __init__(self, folder: Path, tenant: str = "acme") -> None:
        super().__init__(folder)
        self._bus = BusSettings(quota_mb=256, partitions=2)
        self._ports = {"port": free_port(), "mqtt_port": self.port}
        self.address = embedded_address(folder, self._bus, **self._ports)
        device = create_device(folder, "plc", tenant)
        self.user, self.password = device.user, device.password
        secret = Secret(file=str(folder / "security" / "bus.password"))
        self.settings = MqttSettings(port=self.port, user=ROLE_USER, password=secret, prefix="ingress")

    def command(self) -> Sequence[object]:
        written = write_configuration(self.folder, self._bus, **self._ports, devices=devices(self.folder))
        return [server_binary(self._bus), "-c", written]

    def wait_until_ready(self) -> None:
        async def ready() -> None:
            async with asyncio.timeout(20):
                await until_ready(self.address)

        asyncio.run(ready())
        super().wait_until_ready()


class Mosquitto(Broker):
    """Debian's mosquitto."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = MqttSettings(port=self.port, prefix="ingress")

    @staticmethod
    def binary() -> str | None:
        return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    def command(self) -> Sequence[object]:
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n")
        return [self.binary(), "-c", configuration]


class Device(AbstractContextManager["Device"]):
    """A device that publishes at QoS 1 and knows what the broker took."""

    def __init__(self, broker: Broker) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="plc", protocol=MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def publish(self, topic: str, content: bytes, *, retain: bool = False) -> None:
        """Return once the broker has acknowledged."""
        _wait(self._client.is_connected)
        published = self._client.publish(topic, content, qos=1, retain=retain)
        _wait(published.is_published)

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
