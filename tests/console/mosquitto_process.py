"""A mosquitto of one test's own that wants a password, and somebody who publishes there."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from free_ports import free_port  # type: ignore[import-not-found]

PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
USER, PASSWORD = "publisher", "publishes"


class MosquittoProcess(AbstractContextManager["MosquittoProcess"]):
    """Lets in one user with a password, and the publisher."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        binary = shutil.which("mosquitto", path=PATH)
        if binary is None:
            pytest.skip("no mosquitto here; run: apt-get install mosquitto mosquitto-clients")
        self.port = free_port()
        passwords, configuration = folder / "passwords", folder / "mosquitto.conf"
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, user, password], check=True)
        subprocess.run(["mosquitto_passwd", "-b", passwords, USER, PASSWORD], check=True)
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\npassword_file {passwords}\n"
        )
        self._process = subprocess.Popen([binary, "-c", configuration], stderr=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)


def publish_all(port: int, messages: Mapping[str, bytes], stop: threading.Event) -> None:
    """Publish every message again and again until told to stop."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(USER, PASSWORD)
    client.connect("127.0.0.1", port)
    client.loop_start()
    while not stop.wait(0.1):
        for topic, content in messages.items():
            client.publish(topic, content, qos=1)
    client.disconnect()
    client.loop_stop()
