"""What is remembered of an edge node, and what follows from what it says. Pure.

| the node is | and we hear | then it is | ask for its births? |
|---|---|---|---|
| unborn | its birth | alive | |
| unborn | anything else of it | unborn | yes |
| unborn | a death | unborn | |
| alive | its birth, the next message, a message again | alive | |
| alive | a message behind a gap, or what no birth named | doubtful | yes |
| alive | the death of this session | unborn | |
| doubtful | its birth | alive | |
| doubtful | the next message, one behind a gap, what no birth named | doubtful | yes |
| doubtful | a message again | doubtful | |
| doubtful | the death of this session | unborn | |
| alive, doubtful | the death of another session | as before | |

Messages count 0 to 255 and begin anew. The number in a birth begins the count. A death names the session it ends by its
`bdSeq`; one that comes after the birth of the next session is no news. While no birth of a node is known, any death of
it makes us forget its devices.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from iot_edge_anomaly.connectors.sparkplug_payload import Metric
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey

FIRST_ASK_SECONDS = 5.0
LONGEST_ASK_SECONDS = 320.0
MOST_DEVICES = 10_000
"""Devices of one edge node."""
MOST_NODES = 10_000
MOST_METRICS = 250_000
"""Metrics of all edge nodes together that are kept in mind."""

_COUNT = 256
_MOST_DOUBLINGS = 10
_CALM_PAUSES = 4
"""After so many pauses without a request the next one is the first again."""


class Verb(StrEnum):
    """What edge nodes say, as it stands in topics."""

    NBIRTH = "NBIRTH"
    DBIRTH = "DBIRTH"
    NDATA = "NDATA"
    DDATA = "DDATA"
    NDEATH = "NDEATH"
    DDEATH = "DDEATH"


class Standing(Enum):
    """How far what an edge node says can be understood."""

    UNBORN = "unborn"
    ALIVE = "alive"
    DOUBTFUL = "doubtful"


class Event(Enum):
    """What we hear of an edge node."""

    BIRTH = "its birth"
    NEXT = "the next message"
    GAP = "a message behind a gap"
    REPEAT = "a message again"
    STRANGER = "what no birth named"
    DEATH = "the death of this session"
    OLD_DEATH = "the death of another session"


class Turn(NamedTuple):
    """What an event makes of a node, and whether its births are wanted."""

    standing: Standing
    asks: bool = False


_UNBORN, _ALIVE, _DOUBTFUL = Standing
TURNS: Mapping[tuple[Standing, Event], Turn] = MappingProxyType(
    {
        (_UNBORN, Event.BIRTH): Turn(_ALIVE),
        (_UNBORN, Event.NEXT): Turn(_UNBORN, asks=True),
        (_UNBORN, Event.GAP): Turn(_UNBORN, asks=True),
        (_UNBORN, Event.REPEAT): Turn(_UNBORN, asks=True),
        (_UNBORN, Event.STRANGER): Turn(_UNBORN, asks=True),
        (_UNBORN, Event.DEATH): Turn(_UNBORN),
        (_UNBORN, Event.OLD_DEATH): Turn(_UNBORN),
        (_ALIVE, Event.BIRTH): Turn(_ALIVE),
        (_ALIVE, Event.NEXT): Turn(_ALIVE),
        (_ALIVE, Event.GAP): Turn(_DOUBTFUL, asks=True),
        (_ALIVE, Event.REPEAT): Turn(_ALIVE),
        (_ALIVE, Event.STRANGER): Turn(_DOUBTFUL, asks=True),
        (_ALIVE, Event.DEATH): Turn(_UNBORN),
        (_ALIVE, Event.OLD_DEATH): Turn(_ALIVE),
        (_DOUBTFUL, Event.BIRTH): Turn(_ALIVE),
        (_DOUBTFUL, Event.NEXT): Turn(_DOUBTFUL, asks=True),
        (_DOUBTFUL, Event.GAP): Turn(_DOUBTFUL, asks=True),
        (_DOUBTFUL, Event.REPEAT): Turn(_DOUBTFUL),
        (_DOUBTFUL, Event.STRANGER): Turn(_DOUBTFUL, asks=True),
        (_DOUBTFUL, Event.DEATH): Turn(_UNBORN),
        (_DOUBTFUL, Event.OLD_DEATH): Turn(_DOUBTFUL),
    }
)


class Definition(NamedTuple):
    """What a birth says of a metric: its type, and where it belongs or why nowhere. `key` None: it is no reading."""

    name: str
    datatype: int
    key: AssetKey | None = None
    sensor: str = ""
    trouble: str = ""


class Born(NamedTuple):
    """The metrics that a birth defined, of a node itself or of one device."""

    by_alias: Mapping[int, Definition] = MappingProxyType({})
    by_name: Mapping[str, Definition] = MappingProxyType({})

    def find(self, metric: Metric) -> Definition | None:
        """Return the definition of a metric, by its name or else by its alias."""
        if metric.name:
            return self.by_name.get(metric.name)
        return None if metric.alias is None else self.by_alias.get(metric.alias)


def born(definitions: Iterable[tuple[int | None, Definition]]) -> Born:
    """Return what a birth defined; each definition comes with its alias, if it has one."""
    by_alias, by_name = dict[int, Definition](), dict[str, Definition]()
    for alias, definition in definitions:
        by_name[definition.name] = definition
        if alias is not None:
            by_alias[alias] = definition
    return Born(by_alias, by_name)


class Node(msgspec.Struct, frozen=True):
    """An edge node. `following`: the number its next message should have; `devices`: what was born, "" the node itself.

    `size`: how many metrics are kept in mind; `asks`: how often in a row it was asked for its births.
    """

    standing: Standing = Standing.UNBORN
    following: int = 0
    bd_seq: int | None = None
    devices: Mapping[str, Born] = MappingProxyType({})
    size: int = 0
    asked_ns: int = 0
    asks: int = 0


class Said(NamedTuple):
    """A message of an edge node, as far as it concerns what is remembered of it.

    `born` is there in births; `is_repeat`: the broker says that it may have sent it before.
    """

    verb: Verb
    device: str = ""
    seq: int | None = None
    bd_seq: int | None = None
    born: Born = Born()
    is_repeat: bool = False


class Heard(NamedTuple):
    """What a message makes of a node. `lost`: how many messages before it are missing, at the least."""

    node: Node
    event: Event
    asks: bool
    lost: int = 0


def hear(node: Node, said: Said) -> Heard:
    """Return what a message makes of a node. Raises RejectedError when it has more devices than are kept in mind."""
    event, lost = _event(node, said)
    turn = TURNS[node.standing, event]
    return Heard(_after(node, said, event, turn.standing), event, turn.asks, lost)


def meet_stranger(node: Node) -> tuple[Node, bool]:
    """Return what it makes of a node that it spoke of something that no birth named, and whether to ask."""
    turn = TURNS[node.standing, Event.STRANGER]
    return msgspec.structs.replace(node, standing=turn.standing), turn.asks


def is_due(node: Node, now_ns: int) -> bool:
    """Tell whether a node may be asked for its births: at once, then at pauses that double, up to the longest."""
    return not node.asked_ns or not 0 <= now_ns - node.asked_ns < _pause_ns(node)


def asked(node: Node, now_ns: int) -> Node:
    """Note that a node was asked. Births do not shorten the pause, time does: some are never as they should be."""
    is_again = now_ns - node.asked_ns < _CALM_PAUSES * _pause_ns(node)
    return msgspec.structs.replace(node, asked_ns=now_ns, asks=node.asks + 1 if is_again else 1)


def _pause_ns(node: Node) -> float:
    doublings = min(max(node.asks - 1, 0), _MOST_DOUBLINGS)
    return min(FIRST_ASK_SECONDS * 2.0**doublings, LONGEST_ASK_SECONDS) * 1e9


def _event(node: Node, said: Said) -> tuple[Event, int]:
    if said.verb is Verb.NBIRTH:
        return Event.BIRTH, 0
    unborn = node.standing is Standing.UNBORN
    if said.verb is Verb.NDEATH:
        return (Event.DEATH if unborn or said.bd_seq == node.bd_seq else Event.OLD_DEATH), 0
    if unborn or said.seq is None or said.seq >= _COUNT:
        return Event.NEXT, 0
    ahead = (said.seq - node.following) % _COUNT
    if not ahead:
        return Event.NEXT, 0
    if said.is_repeat and ahead >= _COUNT // 2:
        return Event.REPEAT, 0
    return Event.GAP, ahead


def _after(node: Node, said: Said, event: Event, standing: Standing) -> Node:
    match event:
        case Event.BIRTH:
            size = len(said.born.by_name)
            return Node(standing, _next(said, node), said.bd_seq, {"": said.born}, size, node.asked_ns, node.asks)
        case Event.DEATH:
            return Node(standing, asked_ns=node.asked_ns, asks=node.asks)
        case Event.OLD_DEATH:
            return node
    devices, size = node.devices, node.size
    if said.verb in (Verb.DBIRTH, Verb.DDEATH):
        devices = {name: known for name, known in devices.items() if name != said.device}
        size -= len(node.devices[said.device].by_name) if said.device in node.devices else 0
    if said.verb is Verb.DBIRTH:
        if len(devices) >= MOST_DEVICES:
            raise RejectedError(f"the edge node has more than {MOST_DEVICES} devices")
        devices, size = {**devices, said.device: said.born}, size + len(said.born.by_name)
    following = node.following if event is Event.REPEAT else _next(said, node)
    return msgspec.structs.replace(node, standing=standing, following=following, devices=devices, size=size)


def _next(said: Said, node: Node) -> int:
    if said.seq is None or said.seq >= _COUNT:
        return 1 if said.verb is Verb.NBIRTH else node.following
    return (said.seq + 1) % _COUNT


class NodeName(NamedTuple):
    """An edge node is known by its group and its id."""

    group: str
    node: str


class Memory:
    """All edge nodes, bounded. A copy is cheap, for nodes are never changed in place."""

    def __init__(self, nodes: dict[NodeName, Node] | None = None, size: int = 0) -> None:
        self._nodes = {} if nodes is None else nodes
        self._size = size

    def copy(self) -> "Memory":
        """Return a copy that may go its own way."""
        return Memory(dict(self._nodes), self._size)

    def without_births(self) -> "Memory":
        """Return what is left when all births may be outdated: whom we asked when."""
        return Memory({name: Node(asked_ns=node.asked_ns, asks=node.asks) for name, node in self._nodes.items()})

    def of(self, name: NodeName) -> Node:
        """Return what is known of a node."""
        return self._nodes.get(name) or Node()

    def keep(self, name: NodeName, node: Node) -> None:
        """Remember a node. Raises RejectedError when that is too much of nodes or of metrics."""
        before = self._nodes.get(name)
        size = self._size + node.size - (before.size if before is not None else 0)
        if size > MOST_METRICS and node.size:
            raise RejectedError(f"the edge nodes have more than {MOST_METRICS} metrics: name the groups to listen to")
        if before is None and len(self._nodes) >= MOST_NODES:
            self._forget_one()
        self._nodes[name] = node
        self._size = size

    def _forget_one(self) -> None:
        """Make room: of nodes that only their names are known of, the first goes."""
        empty = next((name for name, node in self._nodes.items() if not node.devices), None)
        if empty is None:
            raise RejectedError(f"there are more than {MOST_NODES} edge nodes: name the groups to listen to")
        del self._nodes[empty]
