"""MQTT: subscribe at QoS 1 with a session that lasts, acknowledge what is durable.

The broker keeps what is not acknowledged and sends it again after the next connect. What a device publishes at QoS 0
may be lost between the two, as its choice was. A retained message is taken in if it tells its time, else set aside.
"""

import hashlib
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import anyio
import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from iot_edge_anomaly.component.connector import ConnectorSpec, Intake
from iot_edge_anomaly.connectors.inbox import Inbox
from iot_edge_anomaly.connectors.payload import decode_message, is_one_value, unusable
from iot_edge_anomaly.connectors.topics import NamespaceTopics, PatternTopics, Topics
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.security.secrets import Secret

ROOM = 8192
GROUP = 512
CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 60
FOREVER = 0xFFFFFFFF
"""How long a broker of MQTT 5 keeps a session; one of 3.1.1 decides for itself."""

STRANGERS = Signal("mqtt_strangers", "messages set aside: their topics name no asset", Level.WARNING)


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"):
    """A broker, and how its topics name assets.

    Without `pattern` a topic reads `<prefix>/<tenant>/…/<asset>`, and one level more, the sensor, for a single value;
    `tenant`, where given, is in no topic and owns all assets. `pattern` reads `plant/{line}/{asset}/{sensor}` and
    needs `tenant`. `topics` may be left out where prefix or pattern say what to subscribe to. The broker knows the
    session by `client_id`: empty, it is made of this machine's name and what is subscribed to.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: Secret | None = None
    topics: tuple[str, ...] = ()
    prefix: str = ""
    pattern: str | None = None
    tenant: str | None = None
    client_id: str = ""
    version: Literal["3.1.1", "5"] = "3.1.1"
    tls: bool = False
    ca_file: str | None = None

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
            await anyio.to_thread.run_sync(self._connect, client)
            client.loop_start()
            while True:
                messages = await inbox.take(GROUP)
                await _store(intake, self._read(messages, clock))
                for message in messages:
                    client.ack(message.mid, message.qos)
        finally:
            inbox.close()
            client.disconnect()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(client.loop_stop)

    def _client(self, inbox: Inbox[MQTTMessage]) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.session(),
            clean_session=None if settings.version == "5" else False,
            protocol=MQTTv5 if settings.version == "5" else MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_SECONDS
        if settings.user is not None:
            client.username_pw_set(settings.user, settings.password.resolve() if settings.password else None)
        if settings.tls:
            with _config_errors(f"ca_file {settings.ca_file}"):
                client.tls_set(ca_certs=settings.ca_file)
        _report_to(inbox, client, settings.subscriptions())
        return client

    def _connect(self, client: Client) -> None:
        settings = self._settings
        try:
            if settings.version == "5":
                lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # has no types
                lasting.SessionExpiryInterval = FOREVER
                client.connect(settings.host, settings.port, KEEPALIVE_SECONDS, clean_start=False, properties=lasting)
            else:
                client.connect(settings.host, settings.port, KEEPALIVE_SECONDS)
        except OSError as error:
            raise UnavailableError(f"no MQTT broker at {settings.host}:{settings.port}: {error}") from error

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
        topic = _topic(message)
        try:
            key, sensor = self._topics.place(topic, one_value=is_one_value(content))
        except RejectedError as error:
            strangers.append(str(error))
            key = self._topics.unassigned(topic)
            return unusable(content, key, "mqtt", str(error)[:300], received_ns=self._last_ns)
        return decode_message(content, key, sensor, "mqtt", received_ns=self._last_ns, retained=bool(message.retain))


def _topic(message: MQTTMessage) -> str:
    """Return a topic, also one that is no UTF-8, which a broker should have refused."""
    try:
        return message.topic
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")


async def _store(intake: Intake, read: Sequence[tuple[bytes, Batch]]) -> None:
    """Store a group; when it is too large at once, message by message, setting aside what is too large alone."""
    try:
        await intake.accept([batch for _, batch in read])
    except RejectedError as error:
        if len(read) > 1:
            for one in read:
                await _store(intake, [one])
            return
        ((content, batch),) = read
        await intake.accept([unusable(content, batch.key, batch.source, str(error), received_ns=batch.received_ns)])


def _report_to(inbox: Inbox[MQTTMessage], client: Client, topics: Sequence[str]) -> None:
    """Wire what the network thread sees to the inbox."""

    def connected(client: Client, _: object, __: ConnectFlags, code: ReasonCode, ___: Properties | None) -> None:
        if code.is_failure:
            inbox.fail(UnavailableError(f"the MQTT broker refuses the connection: {code}"))
        else:
            client.subscribe([(topic, 1) for topic in topics])

    def subscribed(_: Client, __: object, ___: int, codes: Sequence[ReasonCode], ____: Properties | None) -> None:
        refused = [topic for topic, code in zip(topics, codes, strict=False) if code.is_failure]
        if refused:
            inbox.fail(UnavailableError(f"the MQTT broker refuses the subscription of {', '.join(refused)}"))

    def disconnected(_: Client, __: object, ___: DisconnectFlags, code: ReasonCode, ____: Properties | None) -> None:
        inbox.fail(UnavailableError(f"the MQTT broker is gone: {code}"))

    def arrived(_: Client, __: object, message: MQTTMessage) -> None:
        inbox.put(message)

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_disconnect = disconnected
    client.on_message = arrived


@contextmanager
def _config_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use {what}: {error}") from error


SPEC = ConnectorSpec("mqtt", MqttSettings, MqttConnector)
