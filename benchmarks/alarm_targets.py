"""Where alarms go to: a webhook that is not always in the mood, and an MQTT broker with somebody who listens."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from benchmarks.own_ports import free_port

from iot_edge_anomaly.bus.server import lean, server_binary
from iot_edge_anomaly.bus.settings import BusSettings

REFUSES_EVERY = 13
"""So many calls of the webhook are answered 503, and nothing is noted."""

HANGS_UP_EVERY = 17
"""So many calls are noted and never answered: the sender cannot know that they arrived."""

STEADY_SECONDS = 1.0


class Notified(NamedTuple):
    """What a target was told, in the order of arrival."""

    id: str
    alarm: str
    asset: str
    condition: str
    event: str
    after: str


def notified(said: dict[str, Any]) -> Notified:
    """Read a message that a sink sent."""
    return Notified(*(said[name] for name in Notified._fields))


class Webhook:
    """A server that notes what is posted to it."""

    def __init__(self) -> None:
        self.heard: list[Notified] = []
        self.wrong_ids = 0
        self._calls = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = webhook._take(self.headers["webhook-id"], json.loads(body))
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def _take(self, webhook_id: str, event: dict[str, Any]) -> int | None:
        with self._lock:
            self._calls += 1
            if self._calls % REFUSES_EVERY == 0:
                return 503
            said = notified(event["data"])
            self.wrong_ids += not webhook_id == event["id"] == said.id
            self.heard.append(said)
            return None if self._calls % HANGS_UP_EVERY == 0 else 204

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class Listener:
    """Somebody who listens to topics; with a name in a session that lasts."""

    def __init__(self, port: int, topic: str, name: str = "") -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.changed_at = time.monotonic()
        self._topic = topic
        self._is_subscribed = threading.Event()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311, clean_session=not name
        )
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._is_subscribed.set()
        self._client.on_message = self._note
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._is_subscribed.wait(20):
            raise TimeoutError(f"the broker on port {port} let nobody subscribe to {topic}")

    def _subscribe(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(self._topic, qos=1)

    def _note(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.append((message.topic, json.loads(message.payload)))
        self.changed_at = time.monotonic()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


async def retained(port: int, topic: str) -> dict[str, Notified]:
    """Return what the broker tells somebody who connects now, by topic."""
    listener = await asyncio.to_thread(Listener, port, topic)
    try:
        while time.monotonic() - listener.changed_at < STEADY_SECONDS:
            await asyncio.sleep(0.05)
        return {where: notified(said) for where, said in listener.heard}
    finally:
        listener.close()


@asynccontextmanager
async def mqtt_broker(folder: Path) -> AsyncIterator[int]:
    """Run a broker that is not the system's own for the time of the block; return its port."""
    port, mqtt_port = free_port(), free_port()
    configuration = folder / "broker.conf"
    configuration.write_text(
        f"server_name: scada\nlisten: 127.0.0.1:{port}\nmqtt {{ listen: 127.0.0.1:{mqtt_port} }}\n"
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'scada'))} }}\n"
    )
    with (folder / "scada.log").open("wb") as log:
        argv = [str(server_binary(BusSettings())), "-c", str(configuration)]
        broker = subprocess.Popen(argv, stderr=log, env={**os.environ, **lean(BusSettings())})
    try:
        await _until_listening(mqtt_port)
        yield mqtt_port
    finally:
        broker.send_signal(signal.SIGTERM)
        broker.wait(30)
        shutil.rmtree(folder / "scada", ignore_errors=True)


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
