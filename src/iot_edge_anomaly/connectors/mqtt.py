"""MQTT 3.1.1: subscribe at QoS 1 with a session that lasts, acknowledge what is durable.

The broker keeps what is not acknowledged and sends it again after the next connect.
"""

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
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

STRANGERS = Signal("mqtt_strangers", "messages dropped: their topics name no asset", Level.WARNING)


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="mqtt"):
    """A broker, and how its topics name assets.

    Without `pattern` a topic reads `<prefix>/<tenant>/…/<asset>`, and one level more, the sensor, for a single value;
    `tenant`, where given, is in no topic and owns all assets. `pattern` reads `plant/{line}/{asset}/{sensor}` and
    needs `tenant`. `topics` may be left out where prefix or pattern say what to subscribe to.
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
            client_id=settings.client_id or f"iot-edge-anomaly-{platform.node()}",
            clean_session=False,
            protocol=MQTTv311,
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
            client.connect(settings.host, settings.port, KEEPALIVE_SECONDS)
        except OSError as error:
            raise UnavailableError(f"no MQTT broker at {settings.host}:{settings.port}: {error}") from error

    def _read(self, messages: Sequence[MQTTMessage], clock: Clock) -> list[tuple[bytes, Batch]]:
        read, strangers = [], []
        for message in messages:
            # Values without a time are told apart by when they came: no two may have come at once.
            self._last_ns = max(clock.now_ns(), self._last_ns + 1)
            try:
                content = bytes(message.payload)
                key, sensor = self._topics.place(message.topic, one_value=is_one_value(content))
            except (RejectedError, UnicodeDecodeError) as error:
                strangers.append(str(error))
                continue
            batch = decode_message(content, key, sensor, "mqtt", received_ns=self._last_ns)
            read.append((content, batch))
        if strangers:  # one line a group: a device that is set up wrong must not flood the log
            STRANGERS.emit(len(strangers), first=strangers[0])
        return read


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
