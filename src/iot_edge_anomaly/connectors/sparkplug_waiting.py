"""The first births of a node wait a little: what it kept while it was away is older, and belongs before them. Pure.

An edge node that comes back says its births, whose values are of now, and then hands in its history. Readings are taken
in order of time: once one of now is in, older ones are late. So the values of a birth after which nothing was known
wait for the next live message of the same sender, or until nothing has come of it for a while.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from iot_edge_anomaly.connectors.sparkplug_nodes import NodeName
from iot_edge_anomaly.core.messages import Batch, Item

HOLD_SECONDS = 2.0
MOST_HELD = 200_000
"""Readings that may wait; what is more does not."""

Portion = tuple[bytes, Item]
"""Something to store, and the message it is of."""


class Tense(Enum):
    """Of when the values of a message are."""

    NOW = "now"
    FIRST = "now, for the first time"
    HISTORY = "before"
    MIXED = "now and before"


class Sender(NamedTuple):
    """An edge node, or one of its devices."""

    node: NodeName
    device: str = ""


class _Held(NamedTuple):
    until_ns: int
    portions: Sequence[Portion]
    readings: int


class Waiting:
    """What waits, by sender."""

    def __init__(self, held: dict[Sender, _Held] | None = None) -> None:
        self._held = {} if held is None else held

    def copy(self) -> "Waiting":
        """Return a copy that may go its own way."""
        return Waiting(dict(self._held))

    def pass_on(self, sender: Sender, tense: Tense, portions: Sequence[Portion], now_ns: int) -> list[Portion]:
        """Return what is to be stored after a message of this sender: what it says, and what waited for it."""
        if tense is Tense.FIRST:
            waited = self.let_go(sender)
            return [*waited, *([] if self._hold(sender, portions, now_ns) else portions)]
        if tense is Tense.HISTORY:
            if (held := self._held.get(sender)) is not None:
                self._held[sender] = held._replace(until_ns=_until(now_ns))
            return [*portions]
        waited = self.let_go(sender)
        return [*portions, *waited] if tense is Tense.MIXED else [*waited, *portions]

    def let_go(self, sender: Sender) -> list[Portion]:
        """Return what waits of a sender, and let it wait no longer."""
        held = self._held.pop(sender, None)
        return [] if held is None else [*held.portions]

    def let_go_all(self, node: NodeName) -> list[Portion]:
        """Return what waits of a node and its devices."""
        return list(self._gone([sender for sender in self._held if sender.node == node]))

    def due(self, now_ns: int) -> list[Portion]:
        """Return what has waited long enough."""
        most_ns = HOLD_SECONDS * 1e9
        return list(self._gone([who for who, held in self._held.items() if not 0 < held.until_ns - now_ns <= most_ns]))

    def seconds_left(self, now_ns: int) -> float | None:
        """Return how long until something is due; None where nothing waits."""
        first_ns = min((held.until_ns for held in self._held.values()), default=None)
        return None if first_ns is None else min(max(first_ns - now_ns, 0) / 1e9, HOLD_SECONDS)

    def _hold(self, sender: Sender, portions: Sequence[Portion], now_ns: int) -> bool:
        count = sum(len(item.value) // 8 for _, item in portions if isinstance(item, Batch))
        if not count or count + sum(held.readings for held in self._held.values()) > MOST_HELD:
            return False
        self._held[sender] = _Held(_until(now_ns), portions, count)
        return True

    def _gone(self, senders: Sequence[Sender]) -> Iterator[Portion]:
        for sender in senders:
            yield from self.let_go(sender)


def _until(now_ns: int) -> int:
    return now_ns + round(HOLD_SECONDS * 1e9)
