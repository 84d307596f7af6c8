"""A message of an edge node becomes readings of assets, and perhaps a request for its births. Pure.

A metric is known by what its birth said of it. What names itself and its type is read without; what only has an alias
is set aside then, with the reason. While messages of a node are missing its aliases may have changed: what is read by
them is *uncertain*. When a node or a device is dead its sensors are marked: no value, of bad quality.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from iot_edge_anomaly.connectors.payload import unusable
from iot_edge_anomaly.connectors.rows import AHEAD_NS
from iot_edge_anomaly.connectors.sparkplug import NAMESPACE
from iot_edge_anomaly.connectors.sparkplug_gathered import SOURCE, Gathered
from iot_edge_anomaly.connectors.sparkplug_names import Names
from iot_edge_anomaly.connectors.sparkplug_nodes import (
    Born,
    Definition,
    Event,
    Memory,
    Node,
    NodeName,
    Said,
    Standing,
    Verb,
    asked,
    born,
    hear,
    is_due,
    meet_stranger,
)
from iot_edge_anomaly.connectors.sparkplug_payload import Metric, Payload, decode
from iot_edge_anomaly.connectors.sparkplug_values import is_numeric, number, quality
from iot_edge_anomaly.connectors.sparkplug_waiting import Sender, Tense
from iot_edge_anomaly.connectors.times import EARLIEST_NS
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Item, Quality
from iot_edge_anomaly.core.names import AssetKey

MOST_TOPIC = 512
BD_SEQ = "bdSeq"
_COMMANDS = ("Node Control/", "Device Control/")
_MS = 1_000_000
_UNCERTAIN, _BAD = int(Quality.UNCERTAIN), int(Quality.BAD)
_NAN = float("nan")


class Message(NamedTuple):
    """A message as the broker handed it over."""

    topic: str
    content: bytes
    received_ns: int
    is_retained: bool = False
    is_repeat: bool = False


class Taken(NamedTuple):
    """What became of a message: what to store, whom to ask for births, how many messages before it are missing."""

    items: Sequence[Item]
    sender: Sender | None = None
    asks: bool = False
    lost: int = 0
    is_old_death: bool = False
    stranger: str = ""
    """Why it was set aside whole."""
    tense: Tense = Tense.NOW
    is_of_all: bool = False
    """Whether it concerns the node and all its devices."""


def take(memory: Memory, names: Names, message: Message) -> Taken:
    """Return what becomes of a message, and remember what it says of its node."""
    try:
        verb, sender = _sender(_bounded(message.topic))
    except RejectedError as error:
        return _set_aside(message, names.unassigned, str(error))
    try:
        if message.is_retained:
            raise RejectedError("it is retained: what an edge node says is news or nothing")
        return _taken(memory, names, message, verb, sender, decode(message.content))
    except RejectedError as error:
        key = names.asset(*sender.node, sender.device)
        return _set_aside(message, key, f"{verb}: {error}")


def _taken(memory: Memory, names: Names, message: Message, verb: Verb, sender: Sender, payload: Payload) -> Taken:
    before = memory.of(sender.node)
    place = _Place(names, sender)
    is_birth = verb in (Verb.NBIRTH, Verb.DBIRTH)
    defined = born(place.definitions(payload.metrics)) if is_birth else Born()
    said = Said(verb, sender.device, payload.seq, _bd_seq(payload), defined, message.is_repeat)
    heard = hear(before, said)
    gathered = Gathered(message.received_ns, names.asset(*sender.node, sender.device))
    is_strange = False
    if verb in (Verb.NDEATH, Verb.DDEATH):
        _mark_dead(before, verb, sender.device, heard.event, gathered)
    else:
        known = defined if is_birth else before.devices.get(sender.device)
        is_strange = _read(payload, place, known, gathered, is_sure=is_birth or heard.node.standing is Standing.ALIVE)
    node, asks = heard.node, heard.asks
    if is_strange:
        node, asks_too = meet_stranger(node)
        asks = asks or asks_too
    asks = asks and is_due(node, message.received_ns)
    memory.keep(sender.node, asked(node, message.received_ns) if asks else node)
    return Taken(
        gathered.items(),
        sender,
        asks,
        heard.lost,
        heard.event is Event.OLD_DEATH,
        tense=_tense(before, verb, sender.device, payload),
        is_of_all=heard.event in (Event.BIRTH, Event.DEATH),
    )


def _tense(before: Node, verb: Verb, device: str, payload: Payload) -> Tense:
    match verb:
        case Verb.NBIRTH:
            return Tense.FIRST if before.standing is Standing.UNBORN else Tense.NOW
        case Verb.DBIRTH:
            return Tense.NOW if device in before.devices else Tense.FIRST
        case Verb.NDATA | Verb.DDATA:
            historical = [metric.is_historical for metric in payload.metrics]
            if any(historical):
                return Tense.HISTORY if all(historical) else Tense.MIXED
    return Tense.NOW


def _set_aside(message: Message, key: AssetKey, reason: str) -> Taken:
    batch = unusable(message.content, key, SOURCE, reason[:300], received_ns=message.received_ns)
    return Taken([batch], stranger=f"{message.topic[:200]}: {reason[:300]}")


def _bounded(topic: str) -> str:
    if len(topic) > MOST_TOPIC:
        raise RejectedError(f"its topic is {len(topic)} characters long, more than {MOST_TOPIC}")
    return topic


@lru_cache(maxsize=16_384)
def _sender(topic: str) -> tuple[Verb, Sender]:
    levels = topic.split("/")
    if len(levels) in (4, 5) and levels[0] == NAMESPACE and all(levels) and levels[2] in Verb.__members__:
        verb = Verb(levels[2])
        if (len(levels) == 5) is (verb[0] == "D"):
            return verb, Sender(NodeName(levels[1], levels[3]), levels[4] if len(levels) == 5 else "")
    raise RejectedError(f"topic {topic[:200]!r} is none of Sparkplug B's")


class _Place(NamedTuple):
    """Where the metrics of a sender belong."""

    names: Names
    sender: Sender

    def definition(self, name: str, datatype: int) -> Definition:
        if name == BD_SEQ or name.startswith(_COMMANDS):
            return Definition(name, datatype)
        asset = self.names.asset(*self.sender.node, self.sender.device)
        try:
            key, sensor = self.names.place(*self.sender.node, self.sender.device, name)
        except RejectedError as error:
            return Definition(name, datatype, asset, "", str(error)[:300])
        return Definition(name, datatype, key, sensor or "")

    def definitions(self, metrics: Sequence[Metric]) -> Iterator[tuple[int | None, Definition]]:
        for metric in metrics:
            if metric.name:
                yield metric.alias, self.definition(metric.name, metric.datatype)

    def defined_by_itself(self, metric: Metric) -> Definition | None:
        return self.definition(metric.name, metric.datatype) if metric.name else None


def _read(payload: Payload, place: _Place, known: Born | None, gathered: Gathered, *, is_sure: bool) -> bool:
    """Gather the readings of a payload; tell whether it spoke of something that no birth named."""
    is_strange = known is None
    for row, metric in enumerate(payload.metrics):
        if metric.trouble:
            gathered.put_aside(row, None, metric, metric.trouble)
            continue
        found = known.find(metric) if known is not None else None
        is_strange = is_strange or found is None
        definition = found or place.defined_by_itself(metric)
        if definition is None:
            gathered.put_aside(row, None, metric, _unknown(metric))
        elif definition.key is not None:
            doubts = not is_sure and metric.name is None
            _read_one(row, metric, definition, payload.time_ms, gathered, doubts=doubts)
    return is_strange


def _read_one(
    row: int, metric: Metric, definition: Definition, sent_ms: int | None, gathered: Gathered, *, doubts: bool
) -> None:
    try:
        if definition.trouble:
            raise RejectedError(definition.trouble)
        value = number(metric, metric.datatype or definition.datatype)
        time = _time(metric, sent_ms, gathered.received_ns)
    except RejectedError as error:
        gathered.put_aside(row, definition, metric, str(error))
    else:
        code = quality(metric)
        gathered.add(definition, time, value, min(code, _UNCERTAIN) if doubts else code)


def _time(metric: Metric, sent_ms: int | None, received_ns: int) -> int:
    if metric.is_historical and metric.time_ms is None:
        raise RejectedError("it is historical, and does not say of when")
    given_ms = sent_ms if metric.time_ms is None else metric.time_ms
    if given_ms is None:
        return received_ns
    return _checked(given_ms, received_ns)


def _checked(given_ms: int, received_ns: int) -> int:
    time = given_ms * _MS
    if time < EARLIEST_NS:
        raise RejectedError("time is before the year 2000")
    if time > received_ns + AHEAD_NS:
        raise RejectedError("time is more than 60 s in the future")
    return time


def _mark_dead(node: Node, verb: Verb, device: str, event: Event, gathered: Gathered) -> None:
    """Mark the sensors of what is dead, once: they have no value, and nobody waits for them any more."""
    if event is Event.OLD_DEATH or event is Event.REPEAT:
        return
    devices = node.devices.values() if verb is Verb.NDEATH else [node.devices.get(device, Born())]
    for known in devices:
        for definition in known.by_name.values():
            if definition.key is not None and not definition.trouble and is_numeric(definition.datatype):
                gathered.add(definition, gathered.received_ns, _NAN, _BAD)
                gathered.dead[definition.key] = None


def _unknown(metric: Metric) -> str:
    if metric.alias is None:
        return "it has neither a name nor an alias"
    return "no birth is known that says what its alias stands for"


def _bd_seq(payload: Payload) -> int | None:
    for metric in payload.metrics:
        if metric.name == BD_SEQ and metric.kind in ("int_value", "long_value"):
            return int(metric.value)
    return None
