"""A session at an MQTT broker as connectors keep it: subscribe, hand messages over, acknowledge what is durable."""

from collections.abc import Callable, Sequence

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.connectors.inbox import Inbox
from iot_edge_anomaly.connectors.payload import unusable
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item
from iot_edge_anomaly.security.mqtt_access import KEEPALIVE_SECONDS, MqttAccess

FOREVER = 0xFFFFFFFF
"""How long a broker of MQTT 5 keeps a session; one of 3.1.1 decides for itself."""


PLACE_BYTES = 65_536
"""A message takes one place in an inbox, and one more for each of so many bytes: what waits is bounded either way."""


def connect(client: Client, access: MqttAccess, *, clean: bool = False, keepalive: int = KEEPALIVE_SECONDS) -> None:
    """Connect; the broker keeps the session unless it is to be `clean`. Raises UnavailableError."""
    try:
        if access.version == "5":
            lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # has no types
            lasting.SessionExpiryInterval = 0 if clean else FOREVER
            client.connect(access.host, access.port, keepalive, clean_start=clean, properties=lasting)
        else:
            client.connect(access.host, access.port, keepalive)
    except OSError as error:
        raise UnavailableError(f"no MQTT broker at {access.host}:{access.port}: {error}") from error


def report_to(
    inbox: Inbox[MQTTMessage],
    client: Client,
    topics: Sequence[str],
    *,
    on_resumed: Callable[[bool], None] = lambda _: None,
    on_subscribed: Callable[[], None] = lambda: None,
) -> None:
    """Wire what the network thread sees to the inbox.

    In that thread `on_resumed` is told before any message whether the broker had kept the session, `on_subscribed`
    that every topic is subscribed.
    """

    def connected(client: Client, _: object, flags: ConnectFlags, code: ReasonCode, ___: Properties | None) -> None:
        if code.is_failure:
            inbox.fail(UnavailableError(f"the MQTT broker refuses the connection: {code}"))
        else:
            on_resumed(flags.session_present)
            client.subscribe([(topic, 1) for topic in topics])

    def subscribed(_: Client, __: object, ___: int, codes: Sequence[ReasonCode], ____: Properties | None) -> None:
        refused = [topic for topic, code in zip(topics, codes, strict=False) if code.is_failure]
        if refused:
            inbox.fail(UnavailableError(f"the MQTT broker refuses the subscription of {', '.join(refused)}"))
        else:
            on_subscribed()
            inbox.reach()

    def disconnected(_: Client, __: object, ___: DisconnectFlags, code: ReasonCode, ____: Properties | None) -> None:
        inbox.fail(UnavailableError(f"the MQTT broker is gone: {code}"))

    def arrived(_: Client, __: object, message: MQTTMessage) -> None:
        inbox.put(message, 1 + len(message.payload) // PLACE_BYTES)

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_disconnect = disconnected
    client.on_message = arrived


def topic_of(message: MQTTMessage) -> str:
    """Return a topic, also one that is no UTF-8, which a broker should have refused."""
    try:
        return message.topic
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")


async def store(intake: Intake, read: Sequence[tuple[bytes, Item]]) -> None:
    """Store items and the messages they are of; when that is too much at once, one by one.

    What is too large alone is set aside.
    """
    try:
        await intake.accept([item for _, item in read])
    except RejectedError as error:
        if len(read) > 1:
            for one in read:
                await store(intake, [one])
            return
        ((content, item),) = read
        if not isinstance(item, Batch):
            raise
        await intake.accept([unusable(content, item.key, item.source, str(error), received_ns=item.received_ns)])
