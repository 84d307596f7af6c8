"""MQTT: the state of every alarm as a retained message, so that whoever connects later sees it; and what happens.

| topic | retained | holds |
|---|---|---|
| `<prefix>/<tenant>/…/<asset>/<condition>` | yes | the last transition of this alarm, JSON |
| `<prefix>/event` | no | every transition, JSON |
| `<prefix>/status` | yes | `online`, or `offline`: also told by the broker when this program is gone |
"""

import asyncio
import platform
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import anyio
from msgspec import Meta
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from iot_edge_anomaly.component.sink import DeferredError, Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.security.mqtt_access import (
    KEEPALIVE_SECONDS,
    CaFile,
    Host,
    Password,
    Port,
    Tls,
    User,
    Version,
    mqtt_client,
)
from iot_edge_anomaly.sinks.home_assistant import discovery
from iot_edge_anomaly.sinks.settings import NAME, SinkSettings
from iot_edge_anomaly.sinks.wording import as_json

ANSWER_SECONDS = 10.0
LEAVE_SECONDS = 1.0
REFUSED_PAUSE_SECONDS = 30.0
ONLINE, OFFLINE = b"online", b"offline"

_UNFIT = re.compile(r"[^\w.:-]")
_NEVER_TAKEN = frozenset({0x90, 0x99})
"""MQTT 5: topic name invalid, payload format invalid."""

HEADER_BYTES = 16
"""More than a message needs besides topic and content."""


class MqttSinkSettings(SinkSettings, frozen=True, kw_only=True, tag_field="type", tag="mqtt"):
    """A broker that alarms are published to: their state retained, so that a SCADA or Home Assistant always has it."""

    name: Annotated[str, Meta(description=NAME, examples=["scada"], min_length=1)]
    host: Host = "127.0.0.1"
    port: Port = 1883
    user: User = None
    password: Password = None
    prefix: Annotated[str, Meta(description="First levels of all topics.", min_length=1)] = "alarms"
    home_assistant: Annotated[
        str | None,
        Meta(
            description="Where Home Assistant looks for discovery messages; none: they are not sent.",
            examples=["homeassistant"],
        ),
    ] = None
    client_id: Annotated[str, Meta(description="How the broker knows this program; empty: made up.")] = ""
    version: Version = "3.1.1"
    tls: Tls = False
    ca_file: CaFile = None

    def __post_init__(self) -> None:
        for given in (self.prefix, self.home_assistant or "x"):
            if re.search(r"[+#\0]|^/|^\$|/$", given):
                raise ValueError(f"prefix and home_assistant are levels of a topic, without + and #; not {given!r}")

    @property
    def status_topic(self) -> str:
        """Where it is told whether this program is there."""
        return f"{self.prefix}/status"


def state_topic(prefix: str, posting: Posting) -> str:
    """Return where the state of an alarm stands.

    What no topic can carry, or not every broker, is written as `=XX` for each of its bytes.
    """
    levels = [posting.key.tenant, *posting.key.asset.split("/"), posting.event.condition]
    return "/".join([prefix, *map(_level, levels)])


def _level(name: str) -> str:
    return _UNFIT.sub(lambda unfit: "".join(f"={byte:02X}" for byte in unfit[0].encode()), name)


class MqttSink:
    """An open connection. Lost once, it stays lost: the runner makes another."""

    def __init__(self, settings: MqttSinkSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._unacknowledged: dict[int, asyncio.Future[None]] = {}
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._reached = asyncio.Event()
        self._most_bytes: int | None = None
        self._is_told_online = False
        self._discovered: set[str] = set()
        name = settings.client_id or f"iot-edge-anomaly-{platform.node()}-{secrets.token_hex(4)}"
        self._client = mqtt_client(settings, name, clean=True)
        self._client.will_set(settings.status_topic, OFFLINE, qos=1, retain=True)
        self._wire()

    async def connect(self) -> None:
        """Sign in. Raises UnavailableError."""
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            await anyio.to_thread.run_sync(self._client.connect, *self._address())
        except OSError as error:
            raise UnavailableError(f"no MQTT broker at {where}: {error}") from error
        self._client.loop_start()
        await self._answered(asyncio.ensure_future(self._reached.wait()))

    async def deliver(self, postings: Sequence[Posting]) -> None:
        """Publish state and event of each; return when the broker has acknowledged them all."""
        if self._gone.done():
            self._gone.result()
        if not self._is_told_online and not any(posting.is_test for posting in postings):
            self._is_told_online = True
            await self._answered(self._publish(self._settings.status_topic, ONLINE, retain=True))
        waiting = [sent for posting in postings for sent in self._send(posting)]
        await self._answered(asyncio.gather(*waiting))

    async def leave(self) -> None:
        """Say good-bye, and tell that nobody is there any more."""
        if self._is_told_online and not self._gone.done():
            with suppress(UnavailableError, RejectedError):
                goodbye = self._publish(self._settings.status_topic, OFFLINE, retain=True)
                await self._answered(goodbye, LEAVE_SECONDS)
        self._client.disconnect()
        await anyio.to_thread.run_sync(self._client.loop_stop)

    def _address(self) -> tuple[str, int, int]:
        return self._settings.host, self._settings.port, KEEPALIVE_SECONDS

    def _send(self, posting: Posting) -> list["asyncio.Future[None]"]:
        content = as_json(posting)
        sent = []
        if not posting.is_test:  # a retained message would stay there for ever
            topic = state_topic(self._settings.prefix, posting)
            if self._settings.home_assistant and topic not in self._discovered:
                self._discovered.add(topic)
                where, what = discovery(self._settings.home_assistant, topic, self._settings.status_topic, posting)
                sent.append(self._publish(where, what, retain=True))
            sent.append(self._publish(topic, content, retain=True))
        return [*sent, self._publish(f"{self._settings.prefix}/event", content, retain=False)]

    def _publish(self, topic: str, content: bytes, *, retain: bool) -> "asyncio.Future[None]":
        size = len(topic.encode()) + len(content) + HEADER_BYTES
        if self._most_bytes is not None and size > self._most_bytes:
            raise RejectedError(f"a message of {size} bytes is larger than the MQTT broker takes: {self._most_bytes}")
        acknowledged: asyncio.Future[None] = self._loop.create_future()
        try:
            published = self._client.publish(topic, content, qos=1, retain=retain)
        except ValueError as error:
            raise RejectedError(f"no broker takes this: {error}") from error
        if published.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise UnavailableError(f"the MQTT broker is gone: {published.rc.name}")
        self._unacknowledged[published.mid] = acknowledged
        return acknowledged

    async def _answered(self, wanted: "asyncio.Future[Any]", seconds: float | None = None) -> None:
        """Wait for an answer of the broker, but not for ever and not for one that is gone."""
        most = seconds or ANSWER_SECONDS
        done, _ = await asyncio.wait([wanted, self._gone], timeout=most, return_when=asyncio.FIRST_COMPLETED)
        if wanted in done:
            wanted.result()
        else:
            wanted.cancel()
            if self._gone in done:
                self._gone.result()
            raise UnavailableError(f"the MQTT broker does not answer within {most:.0f} s")

    def _wire(self) -> None:
        """Bring what the network thread sees to the event loop."""

        def connected(_: Client, __: object, ___: ConnectFlags, code: ReasonCode, said: Properties | None) -> None:
            self._most_bytes = getattr(said, "MaximumPacketSize", None)  # of MQTT 5, where the broker has a limit
            if code.is_failure:
                refusal = DeferredError(f"the MQTT broker refuses the connection: {code}", REFUSED_PAUSE_SECONDS)
                self._loop.call_soon_threadsafe(self._lose, refusal)
            else:
                self._loop.call_soon_threadsafe(self._reached.set)

        def lost(_: Client, __: object, ___: DisconnectFlags, code: ReasonCode, ____: Properties | None) -> None:
            error = UnavailableError(f"the MQTT broker is gone: {code}")
            self._loop.call_soon_threadsafe(self._lose, error)

        def taken(_: Client, __: object, mid: int, code: ReasonCode, ____: Properties) -> None:
            self._loop.call_soon_threadsafe(self._acknowledge, mid, code)

        self._client.on_connect, self._client.on_disconnect, self._client.on_publish = connected, lost, taken

    def _lose(self, error: Exception) -> None:
        if not self._gone.done():
            self._gone.set_exception(error)
            self._gone.exception()  # one that nobody waits for is no complaint

    def _acknowledge(self, mid: int, code: ReasonCode) -> None:
        waiting = self._unacknowledged.pop(mid, None)
        if waiting is None or waiting.done():
            return
        if not code.is_failure:
            waiting.set_result(None)
        elif code.value in _NEVER_TAKEN:
            waiting.set_exception(RejectedError(f"the MQTT broker refuses the message: {code}"))
        else:
            refusal = f"the MQTT broker refuses the message: {code}; does the user have the right to publish there?"
            waiting.set_exception(DeferredError(refusal, REFUSED_PAUSE_SECONDS))


@asynccontextmanager
async def mqtt_sink(settings: MqttSinkSettings) -> AsyncIterator[Sink]:
    """Connect for the time of the block."""
    sink = MqttSink(settings)
    try:
        await sink.connect()
        yield sink
    finally:
        with anyio.CancelScope(shield=True):
            await sink.leave()


SPEC = SinkSpec("mqtt", MqttSinkSettings, mqtt_sink, most=50)
