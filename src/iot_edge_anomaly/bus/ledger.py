"""Conservation, checked by double entry: what came in, counted from READINGS, against what became of it.

For each source of each asset: accepted = used + duplicate + late + set aside + held. The left side is counted anew from
the stored input, the right side is the sum over commits; of what the janitor has purged, both sides are kept in a
ledger. A page of the ledger says up to which sequence it counts, so counting twice is impossible.
"""

from collections.abc import Iterable

import msgspec

from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEDGER, OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch

FATES = ("accepted", "used", "duplicate", "late", "set_aside", "held", "gaps")


class Page(msgspec.Struct):
    """Sums up to and with a sequence of a stream: for each (asset, source) one number a fate, in order of FATES."""

    up_to_seq: int = 0
    sums: dict[str, list[int]] = {}

    def add(self, asset: str, source: str, numbers: Iterable[int]) -> None:
        """Add to the sums of a source."""
        key = msgspec.json.encode([asset, source]).decode()
        known = self.sums.get(key, [0] * len(FATES))
        self.sums[key] = [a + b for a, b in zip(known, numbers, strict=True)]


class Line(msgspec.Struct, frozen=True):
    """The balance of one source of one asset. `counted_in` is what READINGS says was accepted."""

    asset: str
    source: str
    counted_in: int
    accepted: int
    used: int
    duplicate: int
    late: int
    set_aside: int
    held: int
    gaps: int

    @property
    def is_balanced(self) -> bool:
        """Whether both entries agree and nothing is missing."""
        return self.counted_in == self.accepted == self.used + self.duplicate + self.late + self.set_aside + self.held


class Balance(msgspec.Struct, frozen=True):
    """All lines, and how far the pipeline had come: what came in after that is not part of the sums."""

    lines: tuple[Line, ...]
    is_balanced: bool
    waiting_messages: int


async def reconcile(bus: Bus, partitions: int) -> Balance:
    """Work out the balance as of the last commit of each partition. Cost: one read of both streams."""
    came_in, became, waiting = Page(), Page(), 0
    for partition in range(partitions):
        done = await count_outcomes(bus, partition, became)
        waiting += await count_readings(bus, partition, came_in, up_to=done)
    lines = []
    for key in sorted(came_in.sums.keys() | became.sums.keys()):
        asset, source = msgspec.json.decode(key)
        zeros = [0] * len(FATES)
        lines.append(Line(asset, source, came_in.sums.get(key, zeros)[0], *became.sums.get(key, zeros)))
    return Balance(tuple(lines), all(line.is_balanced for line in lines), waiting)


async def count_readings(bus: Bus, partition: int, page: Page, *, up_to: int) -> int:
    """Add what came in to a partition, ledger and stream; return how many messages lie after `up_to`."""
    known = await read_page(bus, "in", partition)
    _merge(page, known)
    position, waiting = known.up_to_seq, 0
    while messages := await bus.read(READINGS, readings_subject(partition), position + 1):
        position = messages[-1].seq
        for message in messages:
            if message.seq > up_to:
                waiting += 1
            else:
                add_envelope(page, message.data, message.seq)
    return waiting


async def count_outcomes(bus: Bus, partition: int, page: Page) -> int:
    """Add what became of it, ledger and stream; return the last input sequence that is committed."""
    known = await read_page(bus, "out", partition)
    _merge(page, known)
    position, committed = known.up_to_seq, 0
    while messages := await bus.read(OUTCOMES, outcomes_subject(partition), position + 1):
        position = messages[-1].seq
        for message in messages:
            committed = add_commit(page, message.data)
    if not committed and (last := await bus.last(OUTCOMES, outcomes_subject(partition))) is not None:
        committed = decode_commit(last.data).last_seq
    return committed


def add_envelope(page: Page, data: bytes, seq: int) -> None:
    """Count what one READINGS message brought; what cannot be read brought nothing that could be used."""
    try:
        envelope = decode_envelope(data, seq)
    except RejectedError:
        return
    for item in envelope.items:
        if isinstance(item, Batch):
            page.add(str(item.key), item.source, [item.accepted, 0, 0, 0, 0, 0, 0])


def add_commit(page: Page, data: bytes) -> int:
    """Count what one commit says; return the last input sequence it stands for."""
    commit = decode_commit(data)
    for outcome in commit.assets:
        for count in outcome.counts:
            page.add(str(outcome.key), count.source, [getattr(count, fate) for fate in FATES])
    return commit.last_seq


async def read_page(bus: Bus, side: str, partition: int) -> Page:
    """Return the ledger of what was purged."""
    found = await bus.get_key(LEDGER, f"{side}.{partition}")
    return Page() if found is None else msgspec.msgpack.decode(found[0], type=Page)


async def write_page(bus: Bus, side: str, partition: int, page: Page) -> None:
    """Store the ledger of what is about to be purged."""
    await bus.put_key(LEDGER, f"{side}.{partition}", msgspec.msgpack.encode(page))


def _merge(page: Page, other: Page) -> None:
    for key, numbers in other.sums.items():
        asset, source = msgspec.json.decode(key)
        page.add(asset, source, numbers)
