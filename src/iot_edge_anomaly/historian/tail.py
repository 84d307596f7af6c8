"""What the streams hold and the tables do not, in blocks of rows; where there are no tables, all that the streams hold.

No gap and no double: the place behind which the stream is read is the one that the table as it was read tells itself.
If the janitor purged beyond that place meanwhile, something may be missing, and it is said; whoever reads begins again,
with a table that holds it by then.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import numpy as np

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.pages import IN, OUT, read_page
from iot_edge_anomaly.bus.streams import READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.historian.columns import Block, taken
from iot_edge_anomaly.historian.gathered import STREAM_OF, Gathered
from iot_edge_anomaly.historian.sql import EVER_NS, NEVER_NS

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Wanted:
    """Which rows: of a table, of an asset by its full name (none: of all), from a time on and before another."""

    table: str
    asset: str | None = None
    since_ns: int = EVER_NS
    until_ns: int = NEVER_NS

    def of(self, block: Block) -> Block | None:
        """Return the rows of a block that are wanted; None where there are none."""
        time_ns, asset = block["time_ns"], block["asset"]
        assert isinstance(time_ns, np.ndarray)
        chosen = (time_ns >= self.since_ns) & (time_ns < self.until_ns)
        if self.asset is not None:
            chosen &= np.array([word == self.asset for word in asset.words])[asset.codes]  # type: ignore[union-attr]
        rows = np.flatnonzero(chosen)
        return taken(block, rows) if len(rows) else None


class Tail:
    """A stream behind a place in each partition. `unreadable`: how many messages could not be read."""

    def __init__(self, bus: Bus, wanted: Wanted, places: Mapping[int, int]) -> None:
        self._bus = bus
        self.wanted = wanted
        self._places = places
        self._stream = STREAM_OF[wanted.table]
        self.unreadable = 0

    async def blocks(self) -> AsyncIterator[Block]:
        """Yield the wanted rows. Raises UnavailableError."""
        for partition, place in self._places.items():
            async for gathered in self._gathered(partition, place):
                self.unreadable += gathered.unreadable
                block = gathered.block(self.wanted.table)
                chosen = None if block is None else self.wanted.of(block)
                if chosen is not None:
                    yield chosen

    async def was_purged(self) -> bool:
        """Tell whether anything behind these places may have been purged before it was read."""
        side = IN if self._stream == READINGS else OUT
        pages = [(await read_page(self._bus, side, partition))[0].up_to_seq for partition in self._places]
        return any(up_to > place for up_to, place in zip(pages, self._places.values(), strict=True))

    async def _gathered(self, partition: int, place: int) -> AsyncIterator[Gathered]:
        subject = readings_subject(partition) if self._stream == READINGS else outcomes_subject(partition)
        gathered = Gathered({self.wanted.table: {}})
        while messages := await self._bus.read(self._stream, subject, place + 1):
            for message in messages:
                gathered.add(self._stream, partition, message)
            place = messages[-1].seq
            if gathered.size >= BLOCK_BYTES:
                yield gathered
                gathered = Gathered({self.wanted.table: {}})
        yield gathered
