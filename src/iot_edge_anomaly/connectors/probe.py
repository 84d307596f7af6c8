"""Look at a broker before anything is saved: let in or not, and why; what is sent there; what would become of it."""

import secrets
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import anyio
import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, topic_matches_sub
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from iot_edge_anomaly.connectors.inbox import Inbox
from iot_edge_anomaly.connectors.mqtt import MqttSettings, Received, read_message
from iot_edge_anomaly.connectors.mqtt_session import topic_of
from iot_edge_anomaly.connectors.payload import is_one_value
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.security.mqtt_access import mqtt_client

CONNECT_SECONDS = 6.0
ANSWER_SECONDS = 5.0
LISTEN_SECONDS = 30.0
MOST_TOPICS = 40
ROOM = 256
KEEPALIVE_SECONDS = 30


class Stage(StrEnum):
    """How far a look has come."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Probe:
    """One look at a broker, and what came of it so far: the newest message of each topic.

    It takes nothing from anybody: its session is its own and ends with it, and it acknowledges as any listener does.
    """

    settings: MqttSettings
    password: str | None = None
    stage: Stage = Stage.CONNECTING
    trouble: str = ""
    count: int = 0
    seen: dict[str, Received] = field(default_factory=dict)

    async def run(self, listen_seconds: float = LISTEN_SECONDS) -> None:
        """Connect and listen for so long; never raises for what is wrong with the broker: `trouble` says it."""
        inbox: Inbox[MQTTMessage] = Inbox(ROOM)
        try:
            client = self._client(inbox)
            try:
                await self._connect(client)
                client.loop_start()
                await self._listen(inbox, listen_seconds)
            finally:
                inbox.close()
                client.disconnect()
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(client.loop_stop)
        except (UnavailableError, ConfigError) as error:
            self.stage, self.trouble = Stage.FAILED, str(error)

    def _client(self, inbox: Inbox[MQTTMessage]) -> Client:
        client = mqtt_client(self.settings, f"look-{secrets.token_hex(8)}", clean=True)
        if self.settings.user is not None:
            client.username_pw_set(self.settings.user, self.password)
        _report_to(inbox, client, self.settings)
        return client

    async def _connect(self, client: Client) -> None:
        settings = self.settings
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                await anyio.to_thread.run_sync(
                    client.connect, settings.host, settings.port, KEEPALIVE_SECONDS, abandon_on_cancel=True
                )
        except (OSError, ValueError) as error:
            raise UnavailableError(unreached(settings, error)) from error

    async def _listen(self, inbox: Inbox[MQTTMessage], seconds: float) -> None:
        with anyio.move_on_after(ANSWER_SECONDS) as answered:
            self._keep(await inbox.take(ROOM))
        if answered.cancelled_caught:
            raise UnavailableError(
                f"{_where(self.settings)} takes the connection but says nothing: is that an MQTT broker, "
                f"and should tls be {'off' if self.settings.tls else 'on'}?"
            )
        self.stage = Stage.LISTENING
        with anyio.move_on_after(seconds):
            while True:
                self._keep(await inbox.take(ROOM))
        self.stage = Stage.DONE
        if not self.seen:
            subscribed = ", ".join(self.settings.subscriptions())
            self.trouble = (
                f"the broker let us in, but nothing came on {subscribed} in {seconds:.0f} s: does anybody publish "
                "below that topic, and may this user read it?"
            )

    def _keep(self, messages: list[MQTTMessage]) -> None:
        for message in messages:
            topic = topic_of(message)
            self.count += 1
            self.seen.pop(topic, None)
            self.seen[topic] = Received(topic, bytes(message.payload), bool(message.retain), time.time_ns())
            if len(self.seen) > MOST_TOPICS:
                del self.seen[next(iter(self.seen))]


class Meaning(NamedTuple):
    """What would become of a message: readings of an asset, values set aside and why, or nothing: not subscribed."""

    asset: str
    readings: Mapping[str, float]
    set_aside: tuple[tuple[str, str], ...]
    is_subscribed: bool


def meaning(settings: MqttSettings, message: Received) -> Meaning:
    """Read a message as the connector would, with its own code."""
    if not any(topic_matches_sub(subscribed, message.topic) for subscribed in settings.subscriptions()):
        return Meaning("", {}, (), is_subscribed=False)
    batch, _ = read_message(settings.namespace(), message)
    names = [batch.sensors[number] for number in batch.sensor_indices()]
    readings = dict(zip(names, batch.values().tolist(), strict=True))
    aside = tuple((record.sensor, record.reason) for record in batch.set_aside)
    return Meaning(str(batch.key), readings, aside, is_subscribed=True)


def suggested_pattern(seen: Mapping[str, Received]) -> str:
    """Return a pattern that most of the topics would follow; nothing where there are none.

    >>> one = Received("plant/l1/pump/flow", b"1.5", False, 0)
    >>> suggested_pattern({one.topic: one})
    'plant/{level2}/{asset}/{sensor}'
    """
    shapes: dict[tuple[str, int, bool], int] = {}
    for topic, message in seen.items():
        levels = topic.split("/")
        shape = levels[0], len(levels), is_one_value(message.content)
        shapes[shape] = shapes.get(shape, 0) + 1
    if not shapes:
        return ""
    first, depth, ends_in_sensor = max(shapes, key=lambda shape: shapes[shape])
    named = ["{asset}", "{sensor}"] if ends_in_sensor else ["{asset}"]
    if depth < len(named):
        return "{asset}"
    before = [first, *(f"{{level{number}}}" for number in range(2, depth))]
    return "/".join([*before[: depth - len(named)], *named])


def unreached(settings: MqttSettings, error: Exception) -> str:
    """Say in plain words why there was no connection."""
    where = _where(settings)
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate of {where} is not trusted: {error.verify_message}; name who signed it as ca_file"
        case ssl.SSLError() | ConnectionResetError() | ConnectionAbortedError() if settings.tls:
            return f"{where} speaks no TLS ({error}); usual ports are 8883 with TLS and 1883 without"
        case socket.gaierror():
            return f"no machine is called {settings.host!r}: {error.strerror}"
        case ConnectionRefusedError():
            return f"nothing listens at {where}: is the broker running, and is this its port?"
        case TimeoutError():
            return f"no answer from {where}: a wrong address, or a firewall in between"
        case _:
            return f"cannot connect to {where}: {error}"


def refused(settings: MqttSettings, code: ReasonCode) -> str:
    """Say in plain words why a broker did not let us in."""
    name = str(code)
    if name in ("Not authorized", "Bad user name or password"):
        if settings.user is None:
            return f"{_where(settings)} lets nobody in without a user name and a password"
        return f"{_where(settings)} does not let {settings.user!r} in: a wrong user name or a wrong password"
    if name == "Unsupported protocol version":
        return f"{_where(settings)} does not speak MQTT {settings.version}; try the other version"
    return f"{_where(settings)} refuses the connection: {name}"


def closed(settings: MqttSettings, code: ReasonCode, *, was_let_in: bool) -> str:
    """Say in plain words what it may mean that a broker closed the connection; some do so in place of a refusal."""
    if was_let_in:
        return f"{_where(settings)} let us in and then closed the connection: {code}"
    wrong = f"a wrong password of {settings.user!r}" if settings.user else "that a user name is wanted"
    tls = "" if settings.tls else ", or that it wants TLS (usually at port 8883)"
    return f"{_where(settings)} closed the connection without a word; that often means {wrong}{tls}"


def checked(document: Mapping[str, object]) -> MqttSettings:
    """Return settings from what a person filled in. Raises RejectedError with what is wrong."""
    try:
        return msgspec.convert(dict(document), MqttSettings)
    except (msgspec.ValidationError, ConfigError) as error:
        raise RejectedError(str(error)) from error


def _where(settings: MqttSettings) -> str:
    return f"{settings.host}:{settings.port}"


def _report_to(inbox: Inbox[MQTTMessage], client: Client, settings: MqttSettings) -> None:
    topics, is_let_in = settings.subscriptions(), threading.Event()

    def connected(client: Client, _: object, __: ConnectFlags, code: ReasonCode, ___: Properties | None) -> None:
        if code.is_failure:
            inbox.fail(UnavailableError(refused(settings, code)))
        else:
            is_let_in.set()
            client.subscribe([(topic, 0) for topic in topics])

    def subscribed(_: Client, __: object, ___: int, codes: list[ReasonCode], ____: Properties | None) -> None:
        denied = [topic for topic, code in zip(topics, codes, strict=False) if code.is_failure]
        if denied:
            inbox.fail(UnavailableError(f"{_where(settings)} does not let this user read {', '.join(denied)}"))
        else:
            inbox.reach()

    def disconnected(_: Client, __: object, ___: DisconnectFlags, code: ReasonCode, ____: Properties | None) -> None:
        inbox.fail(UnavailableError(closed(settings, code, was_let_in=is_let_in.is_set())))

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_disconnect = disconnected
    client.on_message = lambda _, __, message: inbox.put(message)
