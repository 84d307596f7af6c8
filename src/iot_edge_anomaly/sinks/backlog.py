"""What waits for a sink: counted ahead of it page by page, and taken off as it comes along."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from iot_edge_anomaly.component.sink import AlarmFeed, Posting
from iot_edge_anomaly.sinks.places import Place, place_of

PAGE = 500
MOST_PAGES = 20
"""So many pages a partition are counted at a look; the rest at the next ones."""


@dataclass
class _Ahead:
    """What is wanted from behind the sink's place up to `counted`; the oldest of it happened at `oldest_ns`."""

    counted: Place
    waiting: int = 0
    oldest_ns: int = 0


class Backlog:
    """The backlog of one sink, over all partitions that it was told the places of."""

    def __init__(self, feed: AlarmFeed, wants: Callable[[Posting], bool]) -> None:
        self._feed = feed
        self._wants = wants
        self._ahead: dict[int, _Ahead] = {}

    @property
    def waiting(self) -> int:
        """How many transitions wait."""
        return sum(ahead.waiting for ahead in self._ahead.values())

    @property
    def oldest_ns(self) -> int:
        """When the oldest of them happened; 0: none waits."""
        return min((ahead.oldest_ns for ahead in self._ahead.values() if ahead.waiting), default=0)

    async def look(self, partition: int) -> None:
        """Count what has come since the last look. Raises UnavailableError."""
        ahead = self._ahead.get(partition)
        for _ in range(MOST_PAGES if ahead else 0):
            assert ahead is not None
            counted = ahead.counted
            postings = await self._feed.after(partition, *counted, PAGE)
            if ahead.counted != counted:
                return  # the sink has overtaken: counted at the next look
            if not postings:
                return
            self._count(ahead, postings)

    def begin(self, partition: int, place: Place) -> None:
        """Note where the sink is in a partition, before anything else is said of that."""
        ahead = self._ahead.setdefault(partition, _Ahead(place))
        if place > ahead.counted:
            self._ahead[partition] = _Ahead(place)

    def reached(self, partition: int, place: Place, delivered: Sequence[Posting]) -> None:
        """Take off what was dealt with up to a place."""
        ahead = self._ahead[partition]
        if place >= ahead.counted:
            ahead.counted, ahead.waiting = place, 0
        else:
            ahead.waiting -= len(delivered)

    def in_hand(self, partition: int, oldest: Posting) -> None:
        """Note what is the oldest now."""
        self._ahead[partition].oldest_ns = oldest.event.time_ns

    def _count(self, ahead: _Ahead, postings: Sequence[Posting]) -> None:
        wanted = [posting for posting in postings if self._wants(posting)]
        if wanted and not ahead.waiting:
            ahead.oldest_ns = wanted[0].event.time_ns
        ahead.waiting += len(wanted)
        ahead.counted = place_of(postings[-1])
