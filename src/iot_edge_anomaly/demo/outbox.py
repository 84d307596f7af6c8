"""A device's messages on their way: over MQTT at least once, in order, and kept while the broker is away."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

log = structlog.get_logger(__name__)

KEPT_MESSAGES = 5000
WINDOW = 20
"""So many are handed to the client at once: its own limit of messages in flight, so that it never queues any."""


class Outbox:
    """Sends what it is given; to be used on the event loop that made it.

    The client repeats what it was handed when it is connected again. Nothing newer is handed to it before all of that
    is acknowledged: so no message overtakes another.
    """

    def __init__(self, client: Client, topic: str) -> None:
        self._client = client
        self._topic = topic
        self._waiting: deque[bytes] = deque()
        self._handed = 0
        self._connected = False
        self._repeating = False
        loop = asyncio.get_running_loop()

        def connected(_: Client, __: object, ___: ConnectFlags, reason: ReasonCode, ____: Properties | None) -> None:
            loop.call_soon_threadsafe(self._on_connect, reason)

        def lost(_: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties | None) -> None:
            loop.call_soon_threadsafe(self._on_disconnect, reason)

        def acknowledged(_: Client, __: object, ___: int, ____: ReasonCode, _____: Properties) -> None:
            loop.call_soon_threadsafe(self._on_acknowledged)

        client.on_connect, client.on_disconnect, client.on_publish = connected, lost, acknowledged

    @property
    def has_room(self) -> bool:
        """Tell whether one more message will be kept."""
        return self.unacknowledged < KEPT_MESSAGES

    @property
    def unacknowledged(self) -> int:
        """The number of messages that the broker has not confirmed."""
        return len(self._waiting) + self._handed

    def put(self, message: bytes) -> None:
        """Send a message as soon as may be. The caller looks at `has_room` before."""
        self._waiting.append(message)
        self._hand_over()

    def _hand_over(self) -> None:
        if not self._connected or self._repeating:
            return
        while self._waiting and self._handed < WINDOW:
            self._handed += 1
            self._client.publish(self._topic, self._waiting.popleft(), qos=1)

    def _on_acknowledged(self) -> None:
        self._handed -= 1
        self._repeating = self._repeating and self._handed > 0
        self._hand_over()

    def _on_connect(self, reason: ReasonCode) -> None:
        if reason.is_failure:
            log.error("the broker refuses this device", reason=str(reason))
            return
        log.info("connected to the broker", unacknowledged=self.unacknowledged)
        self._connected = True
        self._repeating = self._handed > 0
        self._hand_over()

    def _on_disconnect(self, reason: ReasonCode) -> None:
        if self._connected:
            log.warning("the broker is away; messages are kept", reason=str(reason))
        self._connected = False


@contextmanager
def outbox(topic: str, *, host: str, port: int, user: str, password: str) -> Iterator[Outbox]:
    """Open a connection that comes back by itself; on leaving, what is not acknowledged is given up."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=user)
    client.username_pw_set(user, password)
    client.reconnect_delay_set(1, 2)
    client.max_inflight_messages_set(WINDOW)
    box = Outbox(client, topic)
    client.connect_async(host, port, keepalive=10)
    client.loop_start()
    try:
        yield box
    finally:
        client.disconnect()
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.loop_stop()
