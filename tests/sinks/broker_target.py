"""Real MQTT brokers that alarms are published to, and somebody who listens."""

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from certificates import Certificate  # type: ignore[import-not-found]
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from waiting import wait  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]

USER, PASSWORD = "alarms", "broker-secret-4711"


def mosquitto() -> str | None:
    return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Mosquitto:
    """Debian's mosquitto, with a password; keeps sessions over an orderly stop."""

    def __init__(self, folder: Path, tls: Certificate | None = None, more: str = "") -> None:
        self.folder = folder
        self._tls = tls
        self._more = more
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = self.folder / "passwords"
        if not words.exists():
            tool = shutil.which("mosquitto_passwd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
            subprocess.run([str(tool), "-b", "-c", words, USER, PASSWORD], check=True, capture_output=True)
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {words}\nuser root\n"
            f"persistence true\npersistence_location {self.folder}/\nmax_queued_messages 0\n"
        )
        with configuration.open("a") as more:
            if self._tls is not None:
                more.write(f"certfile {self._tls.certificate}\nkeyfile {self._tls.key}\n")
            more.write(self._more)
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen([str(mosquitto()), "-c", configuration], stdout=log, stderr=log)
        wait(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None


class Listener:
    """Somebody who listens to some topics, in a session that lasts."""

    def __init__(self, port: int, user: str, password: str, topics: str, name: str = "listener") -> None:
        self.heard: list[MQTTMessage] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv311, clean_session=False)
        self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._subscribed = False

        def connected(client: Client, *_: Any) -> None:
            client.subscribe(topics, 1)

        def subscribed(*_: Any) -> None:
            self._subscribed = True

        def arrived(_: Client, __: object, message: MQTTMessage) -> None:
            self.heard.append(message)

        self._client.on_connect, self._client.on_subscribe, self._client.on_message = connected, subscribed, arrived
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        wait(lambda: self._subscribed)

    def publish(self, topic: str, content: bytes) -> None:
        wait(self._client.publish(topic, content, qos=1).is_published)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
