"""The pages of the ledger: for each partition and side, the sums of what the janitor has purged.

A page says up to which sequence it counts, so counting twice is impossible, and is written before what it counts is
purged, over the revision that was read, so that of two janitors one gives way. It stands in its key for as long as a
message can hold it; once it is larger (a line for every source there ever was), the key names the blob that holds it.
"""

import contextlib
from collections.abc import Iterable

import msgspec

from iot_edge_anomaly.bus.blobs import Blobs, digest_of
from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEDGER
from iot_edge_anomaly.core.errors import FatalError, RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.outcomes import Commit

IN = "in"
OUT = "out"
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

    def add_all(self, other: "Page") -> None:
        """Add the sums of another page."""
        for key, numbers in other.sums.items():
            asset, source = msgspec.json.decode(key)
            self.add(asset, source, numbers)


class _Elsewhere(msgspec.Struct):
    """What the key of a page that is a blob holds; read from a page that stands there, it is empty."""

    digest: str = ""


Known = tuple[Page, int]
"""A page and its revision."""


def batches_of(data: bytes, seq: int) -> list[Batch]:
    """Return the batches of one READINGS message; what cannot be read brought nothing that could be used."""
    try:
        items = decode_envelope(data, seq).items
    except RejectedError:
        return []
    return [item for item in items if isinstance(item, Batch)]


def add_envelope(page: Page, data: bytes, seq: int) -> None:
    """Count what one READINGS message brought."""
    for batch in batches_of(data, seq):
        page.add(str(batch.key), batch.source, [batch.accepted, 0, 0, 0, 0, 0, 0])


def add_commit(page: Page, data: bytes) -> None:
    """Count what one OUTCOMES message says; what cannot be read says nothing."""
    with contextlib.suppress(RejectedError):
        count_commit(page, decode_commit(data))


def count_commit(page: Page, commit: Commit) -> None:
    """Count what one commit says."""
    for outcome in commit.assets:
        for count in outcome.counts:
            page.add(str(outcome.key), count.source, [getattr(count, fate) for fate in FATES])


async def read_page(bus: Bus, side: str, partition: int) -> Known:
    """Return the ledger of what was purged, and its revision. Raises FatalError where it cannot be read."""
    found = await bus.get_key(LEDGER, f"{side}.{partition}")
    if found is None:
        return Page(), 0
    data, revision = found
    try:
        if digest := msgspec.msgpack.decode(data, type=_Elsewhere).digest:
            data = await Blobs(bus).get(digest)
        return msgspec.msgpack.decode(data, type=Page), revision
    except (msgspec.MsgspecError, RejectedError) as error:
        raise FatalError(
            f"the ledger page {side}.{partition} cannot be read ({error}): what was purged is not accounted for any "
            "more; restore the data folder from a copy"
        ) from error


async def write_page(bus: Bus, side: str, partition: int, page: Page, revision: int) -> int:
    """Store the ledger of what is about to be purged; return its revision.

    Raises FencedError if another janitor wrote it since it was read: what that one purges is not counted here.
    """
    key, data = f"{side}.{partition}", msgspec.msgpack.encode(page)
    if len(data) <= bus.max_payload_bytes:
        return await bus.put_key(LEDGER, key, data, revision=revision)
    named = msgspec.msgpack.encode(_Elsewhere(digest_of(data)))
    return await Blobs(bus).put_named([data], lambda: bus.put_key(LEDGER, key, named, revision=revision))


async def named_by_pages(bus: Bus) -> set[str]:
    """Return the digests of the pages that are blobs. Raises RejectedError where that cannot be told."""
    named = set()
    pages = await bus.entries(LEDGER, f"{IN}.*") | await bus.entries(LEDGER, f"{OUT}.*")
    for key, (data, _) in pages.items():
        try:
            named.add(msgspec.msgpack.decode(data, type=_Elsewhere).digest)
        except msgspec.MsgspecError as error:
            raise RejectedError(f"page {key} of the ledger cannot be read: {error}") from error
    return named - {""}
