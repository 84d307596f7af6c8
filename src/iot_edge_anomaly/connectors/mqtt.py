"""MQTT: subscribe at QoS 1 with a session that lasts, acknowledge what is durable.

The broker keeps what is not acknowledged and sends it again after the next connect. What a device publishes at QoS 0
may be lost between the two, as its choice was. A retained message is taken in if it tells its time, else set aside.
"""

import hashlib
import platform
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import anyio
import msgspec
from msgspec import Meta
from paho.mqtt.client import Client, MQTTMessage

from iot_edge_anomaly.component.connector import ConnectorSpec, Intake
from iot_edge_anomaly.connectors.inbox import Inbox
from iot_edge_anomaly.connectors.mqtt_session import connect, report_to, store, topic_of
from iot_edge_anomaly.connectors.payload import decode_message, is_one_value, unusable
from iot_edge_anomaly.connectors.topics import NamespaceTopics, PatternTopics, Topics
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.security.mqtt_access import (
    CaFile,
    Host,
    Password,
    Port,
    Tls,
    User,
    Version,
    mqtt_client,
)

ROOM = 8192
GROUP = 512

STRANGERS = Signal("mqtt_strangers", "messages set aside: their topics name no asset", Level.WARNING)


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"):
    """A broker, and how its topics name assets.

    Without `pattern` a topic reads `<prefix>/<tenant>/…/<asset>`, and one level more, the sensor, for a single value.
    """

    host: Host = "127.0.0.1"
    port: Port = 1883
    user: User = None
    password: Password = None
    topics: Annotated[
        tuple[str, ...],
        Meta(
            description="What to subscribe to; may be left out where prefix or pattern say it.", examples=[["plant/#"]]
        ),
    ] = ()
    prefix: Annotated[
        str, Meta(description="Levels of the topic before the name of the asset.", examples=["ingress"])
    ] = ""
    pattern: Annotated[
        str | None,
        Meta(
            description="How topics read that name assets in their own way.", examples=["plant/{line}/{asset}/{sensor}"]
        ),
    ] = None
    tenant: Annotated[
        str | None, Meta(description="Who owns all assets of this broker, where no topic says so.", examples=["acme"])
    ] = None
    client_id: Annotated[
        str,
        Meta(
            description="How the broker knows the session; empty: made of this machine's name and what is subscribed."
        ),
    ] = ""
    version: Version = "3.1.1"
    tls: Tls = False
    ca_file: CaFile = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError("port must be from 1 to 65535")
        if self.pattern is not None and self.tenant is None:
            raise ValueError('a pattern needs a tenant, for example tenant = "acme"')
        if not self.subscriptions():
            raise ValueError('say what to subscribe to, for example topics = ["plant/#"]')

    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic filters."""
        if self.topics:
            return self.topics
        if self.pattern is not None:
            return (PatternTopics(self.pattern, self.tenant or "").subscription,)
        return (f"{self.prefix}/#",) if self.prefix else ()

    def session(self) -> str:
        """Return the client id: two connectors of one machine must not take the broker from each other."""
        subscribed = hashlib.sha256("\n".join(self.subscriptions()).encode()).hexdigest()[:8]
        return self.client_id or f"iot-edge-anomaly-{platform.node()}-{subscribed}"

    def namespace(self) -> Topics:
        """Return how topics are read."""
        if self.pattern is not None:
            return PatternTopics(self.pattern, self.tenant or "")
        return NamespaceTopics(self.prefix, self.tenant)


class MqttConnector:
    """Takes messages in groups: whatever arrived while the last group was stored."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._topics = settings.namespace()
        self._last_ns = 0

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Take in messages until cancelled; raises UnavailableError when the broker or the intake is gone."""
        inbox: Inbox[MQTTMessage] = Inbox(ROOM)
        client = self._client(inbox)
        try:
            await anyio.to_thread.run_sync(connect, client, self._settings)
            client.loop_start()
            while True:
                messages = await inbox.take(GROUP)  # none once the broker is reached: said by accepting nothing
                await store(intake, self._read(messages, clock))
                for message in messages:
                    client.ack(message.mid, message.qos)
        finally:
            inbox.close()
            client.disconnect()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(client.loop_stop)

    def _client(self, inbox: Inbox[MQTTMessage]) -> Client:
        settings = self._settings
        client = mqtt_client(settings, settings.session(), clean=False, manual_ack=True)
        report_to(inbox, client, settings.subscriptions())
        return client

    def _read(self, messages: Sequence[MQTTMessage], clock: Clock) -> list[tuple[bytes, Batch]]:
        read, strangers = [], list[str]()
        for message in messages:
            # Values without a time are told apart by when they came: no two may have come at once.
            self._last_ns = max(clock.now_ns(), self._last_ns + 1)
            content = bytes(message.payload)
            batch = self._batch(content, message, strangers)
            read.append((content, batch))
        if strangers:  # one line a group: a device that is set up wrong must not flood the log
            STRANGERS.emit(len(strangers), first=strangers[0])
        return read

    def _batch(self, content: bytes, message: MQTTMessage, strangers: list[str]) -> Batch:
        received = Received(topic_of(message), content, bool(message.retain), self._last_ns)
        batch, stranger = read_message(self._topics, received)
        strangers += [stranger] if stranger else []
        return batch


class Received(NamedTuple):
    """A message as it came."""

    topic: str
    content: bytes
    is_retained: bool
    received_ns: int


def read_message(topics: Topics, message: Received) -> tuple[Batch, str]:
    """Return a message as readings of an asset, and why it is nobody's (then it is set aside whole)."""
    topic, content, is_retained, received_ns = message
    try:
        key, sensor = topics.place(topic, one_value=is_one_value(content))
    except RejectedError as error:
        key = topics.unassigned(topic)
        return unusable(content, key, "mqtt", str(error)[:300], received_ns=received_ns), str(error)
    return decode_message(content, key, sensor, "mqtt", received_ns=received_ns, retained=is_retained), ""


SPEC = ConnectorSpec("mqtt", MqttSettings, MqttConnector)
