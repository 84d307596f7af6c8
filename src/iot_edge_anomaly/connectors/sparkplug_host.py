"""The part of Sparkplug B that speaks MQTT: takes what edge nodes say, asks for births, says that the host is there.

The session at the broker is kept, unless the settings say otherwise: a death, and what edge nodes publish at QoS 1,
wait there while this program is away. Births stay in mind from one attempt to the next as long as the broker kept the
session; where it did not, they are forgotten, for a death may have been missed.

A primary host says `{"online": true}` once it is subscribed and the intake takes something, and `false` when an attempt
ends, for whatever reason; the broker says it in its stead when it is cut off. So edge nodes keep what nobody could
store.
"""

import contextlib
import threading
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import msgspec
from paho.mqtt.client import Client, MQTTMessage

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.connectors.inbox import Inbox
from iot_edge_anomaly.connectors.mqtt_session import connect, report_to, store, topic_of
from iot_edge_anomaly.connectors.sparkplug import NAMESPACE, SparkplugSettings
from iot_edge_anomaly.connectors.sparkplug_nodes import Memory
from iot_edge_anomaly.connectors.sparkplug_payload import rebirth_request
from iot_edge_anomaly.connectors.sparkplug_read import Message, Taken, take
from iot_edge_anomaly.connectors.sparkplug_waiting import Portion, Tense, Waiting
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.security.mqtt_access import KEEPALIVE_SECONDS, mqtt_client

ROOM = 1024
GROUP = 128
ANSWER_SECONDS = 15.0
LEAVE_SECONDS = 2.0

STRANGERS = Signal("sparkplug_strangers", "messages set aside whole: they are none of Sparkplug B's", Level.WARNING)
LOST = Signal("sparkplug_lost_messages", "messages of edge nodes that never came, as their numbers tell", Level.ERROR)
ASKED = Signal("sparkplug_rebirth_requests", "edge nodes are asked for their births", Level.INFO)
OLD_DEATHS = Signal("sparkplug_old_deaths", "deaths of sessions that were over already, left alone", Level.COUNTED)


class SparkplugConnector:
    """Takes messages in groups: whatever arrived while the last group was stored."""

    def __init__(self, settings: SparkplugSettings) -> None:
        self._settings = settings
        self._names = settings.names()
        self._memory = Memory()
        self._waiting = Waiting()
        self._last_ns = 0

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Take in messages until cancelled; raises UnavailableError when the broker or the intake is gone."""
        settings, inbox = self._settings, Inbox[MQTTMessage](ROOM)
        client = mqtt_client(settings, settings.session(), clean=settings.clean_session, manual_ack=True)
        presence = Presence(client, settings.state_topic(), clock)
        kept, subscribed = threading.Event(), threading.Event()
        report_to(
            inbox,
            client,
            settings.subscriptions(),
            on_resumed=lambda was_kept: kept.set() if was_kept else None,
            on_subscribed=subscribed.set,
        )
        try:
            await anyio.to_thread.run_sync(_connect, client, settings)
            client.loop_start()
            messages = await self._first(inbox)
            if not kept.is_set():
                self._memory = self._memory.without_births()
            while True:
                taken = await self._take_in(messages, intake, clock)
                if subscribed.is_set():
                    presence.begin()
                self._tell(client, taken)
                for message in messages:
                    client.ack(message.mid, message.qos)
                messages = await self._next(inbox, clock)
        finally:
            inbox.close()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_leave, client, presence)

    async def _first(self, inbox: Inbox[MQTTMessage]) -> list[MQTTMessage]:
        """Return what comes first, or nothing once the broker is reached: said by accepting nothing."""
        with anyio.move_on_after(ANSWER_SECONDS):
            return await inbox.take(GROUP)
        where = f"{self._settings.host}:{self._settings.port}"
        raise UnavailableError(f"{where} takes the connection but says nothing: is that an MQTT broker?")

    async def _next(self, inbox: Inbox[MQTTMessage], clock: Clock) -> list[MQTTMessage]:
        """Return what comes next; nothing when something has waited long enough."""
        with anyio.move_on_after(self._waiting.seconds_left(clock.now_ns())):
            return await inbox.take(GROUP)
        return []

    async def _take_in(self, messages: Sequence[MQTTMessage], intake: Intake, clock: Clock) -> list[Taken]:
        """Store what messages say, and only then remember it."""
        memory, waiting, read = self._memory.copy(), self._waiting.copy(), list[Taken]()
        portions = waiting.due(clock.now_ns())
        for message in messages:
            # Values without a time are told apart by when they came: no two may have come at once.
            self._last_ns = max(clock.now_ns(), self._last_ns + 1)
            content = bytes(message.payload)
            received = Message(topic_of(message), content, self._last_ns, bool(message.retain), bool(message.dup))
            taken = take(memory, self._names, received)
            said = [(content, item) for item in taken.items]
            portions += _in_order(waiting, taken, said, self._last_ns, may_wait=message.qos == 0)
            read.append(taken)
            await anyio.lowlevel.checkpoint()  # a large birth takes a while: others have their turn
        await store(intake, portions)
        self._memory, self._waiting = memory, waiting
        return read

    def _tell(self, client: Client, taken: Sequence[Taken]) -> None:
        """Say what was odd, one line a group, and ask for births."""
        strangers = [one.stranger for one in taken if one.stranger]
        if strangers:
            STRANGERS.emit(len(strangers), first=strangers[0])
        behind_gaps = [one for one in taken if one.lost]
        if behind_gaps:
            LOST.emit(sum(one.lost for one in behind_gaps), first=_name_of(behind_gaps[0]))
        OLD_DEATHS.emit(sum(one.is_old_death for one in taken))
        asked = [one.sender.node for one in taken if one.asks and one.sender] if self._settings.rebirth else []
        for group, node in asked:
            client.publish(f"{NAMESPACE}/{group}/NCMD/{node}", rebirth_request(self._last_ns // 1_000_000), qos=0)
        if asked:
            ASKED.emit(len(asked), first="/".join(asked[0]))


class Presence:
    """Says of a primary host whether it is there; nothing without a topic.

    The time stands for the session: the same in its birth and in the will that the broker keeps for it.
    """

    def __init__(self, client: Client, topic: str, clock: Clock) -> None:
        self._client = client
        self._topic = topic
        self._clock = clock
        self._since_ms = clock.now_ns() // 1_000_000
        self._is_there = threading.Event()
        if topic:
            client.will_set(topic, _state(False, self._since_ms), qos=1, retain=True)
            client.message_callback_add(topic, self._heard)

    def begin(self) -> None:
        """Say once that the host is there: what edge nodes say from now on is listened to, and can be stored."""
        if self._topic and not self._is_there.is_set():
            self._is_there.set()
            self._say()

    def end(self) -> None:
        """Say that the host is not there any more, if there is anybody to say it to."""
        self._is_there.clear()
        if not self._topic or not self._client.is_connected():
            return
        said = self._client.publish(self._topic, _state(False, self._clock.now_ns() // 1_000_000), qos=1, retain=True)
        with contextlib.suppress(RuntimeError, ValueError):  # the broker is gone, and says it by itself
            said.wait_for_publish(LEAVE_SECONDS)

    def _say(self) -> None:
        self._client.publish(self._topic, _state(True, self._since_ms), qos=1, retain=True)

    def _heard(self, client: Client, _: object, message: MQTTMessage) -> None:
        """Say it again when somebody said otherwise: the will of a session before, or another with our name."""
        client.ack(message.mid, message.qos)
        if not message.retain and not _is_online(bytes(message.payload)) and self._is_there.is_set():
            self._say()


def _state(is_online: bool, time_ms: int) -> bytes:
    return msgspec.json.encode({"online": is_online, "timestamp": time_ms})


def _is_online(content: bytes) -> bool:
    try:
        said = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return False
    return isinstance(said, dict) and said.get("online") is True


def _in_order(
    waiting: Waiting, taken: Taken, said: Sequence[Portion], now_ns: int, *, may_wait: bool
) -> Sequence[Portion]:
    """Return what is to be stored after a message. One that waits for its acknowledgement does not wait besides."""
    if taken.sender is None:
        return said
    before = waiting.let_go_all(taken.sender.node) if taken.is_of_all else []
    tense = taken.tense if may_wait or taken.tense is not Tense.FIRST else Tense.NOW
    return [*before, *waiting.pass_on(taken.sender, tense, said, now_ns)]


def _name_of(taken: Taken) -> str:
    return "/".join(taken.sender.node) if taken.sender else ""


def _connect(client: Client, settings: SparkplugSettings) -> None:
    connect(client, settings, clean=settings.clean_session, keepalive=KEEPALIVE_SECONDS)


def _leave(client: Client, presence: Presence) -> None:
    presence.end()
    client.disconnect()
    client.loop_stop()
