"""Keeps the store in bounds: purges what nothing needs any more, old capsules, and blobs that nothing names.

Input is purged only below the checkpoint and, until the store is nearly full, below what is still to be learned from;
commits all but the newest of a subject; and of both, however full the store is, only what all readers are done with
that have reserved them (`bus/reservations.py`). Before a purge the ledger takes over the sums, marked with the sequence
they reach to, under the revision that was read: of two janitors one counts and purges, the other gives way.

| the janitor ends after | the next one |
|---|---|
| reading messages | counts them again: nothing was written |
| writing the page | counts nothing twice, for the page says how far it reaches, and purges |
| purging | finds nothing to do |
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping

import structlog

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import named_by_capsules
from iot_edge_anomaly.bus.checkpoint import read_assets, read_manifest, read_manifests
from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.pages import IN, OUT, add_commit, add_envelope, named_by_pages, read_page, write_page
from iot_edge_anomaly.bus.reservations import readers, reserved
from iot_edge_anomaly.bus.retention import Retention, prune_capsules
from iot_edge_anomaly.bus.since import activated
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.bus.sweep import Look, after
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.observability.signals import Outage

log = structlog.get_logger(__name__)

PURGE_EVERY_SECONDS = 5.0
SWEEP_EVERY_SECONDS = 21.0
START_AT = 0.6
"""Share of a stream's quota at which it is purged, down to half of that."""

PURGE_TO = 0.3
MOST_READ_BYTES = 64 << 20
NEARLY_FULL = 0.9
"""Share of READINGS' quota from which on taking in goes before learning: a store that is full takes no ticks either."""

HELD_BACK = {
    READINGS: Outage("readings_purge", "making room in READINGS"),
    OUTCOMES: Outage("outcomes_purge", "making room in OUTCOMES"),
}
"""Down while a stream is nearly full and a reader has not worked in what could go."""


async def keep_in_bounds(bus: Bus, partitions: int, retention: Retention) -> None:
    """Look after the store until cancelled."""
    looks: tuple[Look, ...] = ()
    sweep_at = time.monotonic() + SWEEP_EVERY_SECONDS
    while True:
        await asyncio.sleep(PURGE_EVERY_SECONDS)
        with _on_its_own("purge"):
            await purge_when_full(bus, partitions)
        if time.monotonic() >= sweep_at:
            sweep_at = time.monotonic() + SWEEP_EVERY_SECONDS
            with _on_its_own("sweep"):
                looks = await sweep_blobs(bus, partitions, looks)
            with _on_its_own("prune"):
                await prune_capsules(bus, retention, time.time_ns())


@contextlib.contextmanager
def _on_its_own(step: str) -> Iterator[None]:
    """Say what kept a step from its end, and go on with the next: each makes the room that another may wait for."""
    try:
        yield
    except FencedError as error:
        log.debug("another janitor is at work", step=step, error=str(error))
    except UnavailableError as error:
        log.debug("the janitor waits for the bus", step=step, error=str(error))
    except RejectedError as error:
        log.error("the janitor removes nothing: what is needed cannot be told", step=step, error=str(error))


async def purge_when_full(bus: Bus, partitions: int, start_at: float = START_AT) -> None:
    """Purge each stream that fills more than its share, oldest first, an equal share of every partition."""
    for stream in (READINGS, OUTCOMES):
        info = await bus.stream_info(stream)
        state, quota = info["state"], int(info["config"]["max_bytes"])
        if state["bytes"] <= start_at * quota:
            HELD_BACK[stream].ended()
            continue
        first, last = int(state["first_seq"]), int(state["last_seq"])
        share = 1.0 - PURGE_TO * quota / state["bytes"]
        below = first + int((last - first) * min(max(share, 0.0), 1.0))
        for partition in range(partitions):
            if stream == OUTCOMES:
                await purge_outcomes(bus, partition, below)
            else:
                await purge_readings(bus, partition, below, for_learning=state["bytes"] < NEARLY_FULL * quota)
        await _say_who_holds_back(bus, stream, below)


async def _say_who_holds_back(bus: Bus, stream: str, below_seq: int) -> None:
    """Tell loudly which readers keep a stream nearly full: soon nothing can be taken in any more."""
    info = await bus.stream_info(stream)
    slow = []
    if info["state"]["bytes"] >= NEARLY_FULL * int(info["config"]["max_bytes"]):
        slow = [
            who
            for who, done in (await readers(bus)).get(stream, {}).items()
            if await _wants(bus, stream, done, below_seq)
        ]
    if slow:
        HELD_BACK[stream].began(by=slow, what_to_do="see why they are behind, or switch them off and start again")
    else:
        HELD_BACK[stream].ended()


async def _wants(bus: Bus, stream: str, done: Mapping[int, int], below_seq: int) -> bool:
    """Tell whether a reader has not worked in something below a sequence."""
    subject_of = readings_subject if stream == READINGS else outcomes_subject
    found = [await bus.first(stream, subject_of(partition), position + 1) for partition, position in done.items()]
    return any(message is not None and message.seq < below_seq for message in found)


async def purge_readings(bus: Bus, partition: int, below_seq: int, *, for_learning: bool = True) -> int:
    """Purge input below a sequence, as far as nothing needs it; return how many messages.

    Without `for_learning`, what is still to be learned from may go too; what is reserved or not worked in yet never.
    """
    found = await read_manifest(bus, partition)
    if found is None:
        return 0
    floor = found[0].position + 1
    if found[0].needed_from is not None and found[0].needed_from < min(floor, below_seq):
        if for_learning:
            floor = found[0].needed_from
        else:
            log.warning("the store is nearly full: input goes that was to be learned from", partition=partition)
    return await _purge(bus, READINGS, readings_subject(partition), IN, partition, min(below_seq, floor))


async def purge_outcomes(bus: Bus, partition: int, below_seq: int) -> int:
    """Purge commits below a sequence, never the newest, nor what is reserved; return how many."""
    last = await bus.last(OUTCOMES, outcomes_subject(partition))
    if last is None:
        return 0
    return await _purge(bus, OUTCOMES, outcomes_subject(partition), OUT, partition, min(below_seq, last.seq))


async def _purge(bus: Bus, stream: str, subject: str, side: str, partition: int, below_seq: int) -> int:
    done = (await reserved(bus)).get(stream, {})
    below_seq = min(below_seq, done.get(partition, below_seq) + 1)
    page, revision = await read_page(bus, side, partition)
    position = page.up_to_seq
    while position < below_seq - 1:
        messages = [m for m in await bus.read(stream, subject, position + 1) if m.seq < below_seq]
        if not messages:
            break
        for message in messages:
            if side == IN:
                add_envelope(page, message.data, message.seq)
            else:
                add_commit(page, message.data)
        position = messages[-1].seq
    if page.up_to_seq < below_seq - 1:
        page.up_to_seq = below_seq - 1
        await write_page(bus, side, partition, page, revision)
    purged = await bus.purge(stream, subject, below_seq)
    if purged:
        log.info("purged", stream=stream, partition=partition, messages=purged, below_seq=below_seq)
    return purged


async def sweep_blobs(bus: Bus, partitions: int, looks: tuple[Look, ...]) -> tuple[Look, ...]:
    """Look at the blobs once more and delete what may go; return the looks to bring along the next time.

    Raises RejectedError where a checkpoint cannot be read: then nothing may be deleted.
    """
    blobs = Blobs(bus)
    looks, sweep = after(looks, await look(bus, blobs, partitions))
    for digest in sweep.digests:
        await blobs.delete(digest, sweep.up_to_seq + 1)
    return looks


async def look(bus: Bus, blobs: Blobs, partitions: int) -> Look:
    """See which blobs are there and which are named; the order matters, see `bus/sweep.py`."""
    blobs_end = await blobs.end()
    at = time.monotonic()
    ends = await _ends(bus, partitions)
    there = frozenset(await blobs.list())
    named = await named_by_pages(bus) | await named_by_capsules(bus)
    known = {}
    for partition in range(partitions):
        manifests = await read_manifests(bus, partition)
        for manifest, _ in manifests:
            named |= {manifest.assets, *manifest.models, *read_assets(await blobs.get(manifest.assets)).values()}
        covered = min((manifest.position for manifest, _ in manifests), default=0)
        models, known[partition] = await _activated(bus, partition, covered)
        named |= models
    return Look(blobs_end, at, ends, there - named, known)


async def _activated(bus: Bus, partition: int, position: int) -> tuple[set[str], int]:
    """Return the models that input behind a position brings into use, and up to where that was read.

    A worker that keeps up leaves little behind its checkpoints; of one that does not, the rest has to wait.
    """
    models: set[str] = set()
    size = 0
    while size < MOST_READ_BYTES:
        messages = await bus.read(READINGS, readings_subject(partition), position + 1)
        if not messages:
            break
        for message in messages:
            with contextlib.suppress(RejectedError):
                models |= activated([decode_envelope(message.data, message.seq)])
            size += len(message.data)
        position = messages[-1].seq
    return models, position


async def _ends(bus: Bus, partitions: int) -> Mapping[int, int]:
    newest = {partition: await bus.last(READINGS, readings_subject(partition)) for partition in range(partitions)}
    return {partition: message.seq for partition, message in newest.items() if message is not None}
