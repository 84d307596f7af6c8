"""Conservation, checked by double entry: what came in, counted from READINGS, against what became of it.

For each source of each asset: accepted = used + duplicate + late + set aside + held. The left side is counted anew from
the stored input, the right side is the sum over commits; of what the janitor has purged, both sides are kept in a
ledger. A page of the ledger says up to which sequence it counts, so counting twice is impossible.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.pages import FATES, IN, OUT, Known, Page, add_envelope, batches_of, count_commit, read_page
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import RejectedError

ATTEMPTS = 5
MOST_DELETED = 100_000
"""Holes in a stream are named one by one up to so many: the server lists them in one message."""


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
        return not self.trouble

    @property
    def trouble(self) -> str:
        """What is wrong, in words; empty where all is well."""
        who, fates = f"{self.asset} {self.source}", self.used + self.duplicate + self.late + self.set_aside + self.held
        if self.counted_in > self.accepted:
            return f"{who}: {self.counted_in - self.accepted} values came in that no commit accounts for"
        if self.counted_in < self.accepted:
            more = self.accepted - self.counted_in
            return f"{who}: commits account for {more} values that READINGS does not hold"
        if self.accepted != fates:
            return f"{who}: {self.accepted} values were accepted, of {fates} is said what became of them"
        return ""


class Balance(msgspec.Struct, frozen=True):
    """All lines, and how far the pipeline had come: what came in after that is not part of the sums.

    `waiting_messages`: those with readings that are not worked in yet; ticks and acts do not count. `findings`: what is
    wrong, in words. `is_moving`: the streams were purged again and again while they were read, so nothing can be said;
    ask again.
    """

    lines: tuple[Line, ...]
    is_balanced: bool
    waiting_messages: int
    findings: tuple[str, ...] = ()
    is_moving: bool = False

    def of(self, reaches: Callable[[str], bool]) -> "Balance":
        """Return the part that concerns some tenants; what is wrong with a stream concerns all."""
        lines = tuple(line for line in self.lines if reaches(line.asset.partition("/")[0]))
        hidden = {line.trouble for line in self.lines if line not in lines}
        findings = tuple(finding for finding in self.findings if finding not in hidden)
        return Balance(lines, not findings and not self.is_moving, self.waiting_messages, findings, self.is_moving)


@dataclass
class _Books:
    """Both entries of a partition, or of several together."""

    came_in: Page = field(default_factory=Page)
    became: Page = field(default_factory=Page)
    waiting: int = 0
    committed: int = 0
    findings: list[str] = field(default_factory=list)

    def add(self, other: "_Books") -> None:
        self.came_in.add_all(other.came_in)
        self.became.add_all(other.became)
        self.waiting += other.waiting
        self.committed = max(self.committed, other.committed)
        self.findings += other.findings


async def reconcile(bus: Bus, partitions: int) -> Balance:
    """Work out the balance as of the last commit of each partition. Cost: one read of both streams.

    A page is written before what it counts is purged: where no page changed while a partition was read, nothing that
    was to be read was purged meanwhile. Otherwise it is read again, a few times.
    """
    for _ in range(ATTEMPTS):
        before = await _pages(bus, partitions)
        books = _Books()
        for partition in range(partitions):
            books.add(await _count(bus, partition, *before[partition]))
        books.findings += await _gone(bus, READINGS, max(known.up_to_seq for (known, _), _ in before), books.committed)
        books.findings += await _gone(bus, OUTCOMES, max(known.up_to_seq for _, (known, _) in before), 0)
        if _revisions(await _pages(bus, partitions)) == _revisions(before):
            return _balance(books)
    return Balance((), False, 0, is_moving=True)


def _balance(books: _Books) -> Balance:
    lines = []
    for key in sorted(books.came_in.sums.keys() | books.became.sums.keys()):
        asset, source = msgspec.json.decode(key)
        zeros = [0] * len(FATES)
        counted_in = books.came_in.sums.get(key, zeros)[0]
        lines.append(Line(asset, source, counted_in, *books.became.sums.get(key, zeros)))
    findings = (*books.findings, *(line.trouble for line in lines if line.trouble))
    return Balance(tuple(lines), not findings, books.waiting, findings)


async def _pages(bus: Bus, partitions: int) -> list[tuple[Known, Known]]:
    return [(await read_page(bus, IN, number), await read_page(bus, OUT, number)) for number in range(partitions)]


def _revisions(pages: list[tuple[Known, Known]]) -> list[tuple[int, int]]:
    return [(came_in[1], became[1]) for came_in, became in pages]


async def _count(bus: Bus, partition: int, came_in: Known, became: Known) -> _Books:
    books = _Books()
    books.became.add_all(became[0])
    async for message in _messages(bus, OUTCOMES, outcomes_subject(partition), became[0].up_to_seq):
        try:
            commit = decode_commit(message.data)
        except RejectedError as error:
            books.findings.append(f"OUTCOMES message {message.seq} is no commit: {error}")
            continue
        if commit.first_seq <= books.committed:
            books.findings.append(f"OUTCOMES message {message.seq} stands for input that was committed before")
        count_commit(books.became, commit)
        books.committed = max(books.committed, commit.last_seq)
    books.came_in.add_all(came_in[0])
    async for message in _messages(bus, READINGS, readings_subject(partition), came_in[0].up_to_seq):
        if message.seq > books.committed:
            books.waiting += bool(batches_of(message.data, message.seq))
        else:
            add_envelope(books.came_in, message.data, message.seq)
    return books


async def _messages(bus: Bus, stream: str, subject: str, position: int) -> AsyncIterator[Message]:
    while messages := await bus.read(stream, subject, position + 1):
        for message in messages:
            yield message
        position = messages[-1].seq


async def _gone(bus: Bus, stream: str, taken_over: int, committed: int) -> list[str]:
    """Name the messages that are not there although no page of the ledger took them over."""
    state = (await bus.stream_info(stream))["state"]
    if 0 < int(state.get("num_deleted", 0)) <= MOST_DELETED:
        state = (await bus.stream_info(stream, deleted_details=True))["state"]
    first, last = int(state["first_seq"]), int(state["last_seq"])
    gone = [seq for seq in state.get("deleted") or () if seq > taken_over]
    spans = [(taken_over + 1, first - 1), *_spans(gone)]
    found = [f"{stream} lacks {_shown(*span)}: removed, and not by the janitor" for span in spans if span[0] <= span[1]]
    if last < committed:
        found.append(f"{stream} ends at message {last}, commits stand for input up to {committed}: its end was lost")
    return found


def _spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans


def _shown(first: int, last: int) -> str:
    return f"message {first}" if first == last else f"messages {first} to {last}"
