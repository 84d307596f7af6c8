"""Keeps the store in bounds: purges what nothing needs any more, and blobs that nothing names.

Input is purged only below the checkpoint and below what is still to be learned from; commits all but the newest of a
subject. Before a purge the ledger takes over the sums, marked with the sequence they reach to: a crash between the two
purges later what is already counted, and counts nothing twice.
"""

import asyncio

import structlog

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import read_assets, read_manifest
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.ledger import add_commit, add_envelope, read_page, write_page
from iot_edge_anomaly.bus.streams import (
    CAPSULES,
    OUTCOMES,
    READINGS,
    outcomes_subject,
    readings_subject,
)
from iot_edge_anomaly.core.errors import UnavailableError

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
START_AT = 0.6
"""Share of a stream's quota at which it is purged, down to half of that."""

PURGE_TO = 0.3


async def keep_in_bounds(bus: Bus, partitions: int, every_seconds: float = EVERY_SECONDS) -> None:
    """Look after the store until cancelled."""
    unnamed: set[str] = set()
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await purge_when_full(bus, partitions)
            unnamed = await sweep_blobs(bus, partitions, unnamed)
        except UnavailableError as error:
            log.debug("the janitor waits for the bus", error=str(error))


async def purge_when_full(bus: Bus, partitions: int, start_at: float = START_AT) -> None:
    """Purge each stream that fills more than its share, oldest first, an equal share of every partition."""
    for stream, purge in ((READINGS, purge_readings), (OUTCOMES, purge_outcomes)):
        info = await bus.stream_info(stream)
        state, quota = info["state"], int(info["config"]["max_bytes"])
        if state["bytes"] <= start_at * quota:
            continue
        first, last = int(state["first_seq"]), int(state["last_seq"])
        share = 1.0 - PURGE_TO * quota / state["bytes"]
        below = first + int((last - first) * min(max(share, 0.0), 1.0))
        for partition in range(partitions):
            await purge(bus, partition, below)


async def purge_readings(bus: Bus, partition: int, below_seq: int) -> int:
    """Purge input below a sequence, as far as nothing needs it; return how many messages."""
    found = await read_manifest(bus, partition)
    if found is None:
        return 0
    floor = found[0].position + 1
    if found[0].needed_from is not None:
        floor = min(floor, found[0].needed_from)
    return await _purge(bus, READINGS, readings_subject(partition), "in", partition, min(below_seq, floor))


async def purge_outcomes(bus: Bus, partition: int, below_seq: int) -> int:
    """Purge commits below a sequence, never the newest; return how many."""
    last = await bus.last(OUTCOMES, outcomes_subject(partition))
    if last is None:
        return 0
    return await _purge(bus, OUTCOMES, outcomes_subject(partition), "out", partition, min(below_seq, last.seq))


async def _purge(bus: Bus, stream: str, subject: str, side: str, partition: int, below_seq: int) -> int:
    page = await read_page(bus, side, partition)
    position = page.up_to_seq
    while position < below_seq - 1:
        messages = [m for m in await bus.read(stream, subject, position + 1) if m.seq < below_seq]
        if not messages:
            break
        for message in messages:
            if side == "in":
                add_envelope(page, message.data, message.seq)
            else:
                add_commit(page, message.data)
        position = messages[-1].seq
    page.up_to_seq = max(page.up_to_seq, below_seq - 1)
    await write_page(bus, side, partition, page)
    purged = await bus.purge(stream, subject, below_seq)
    if purged:
        log.info("purged", stream=stream, partition=partition, messages=purged, below_seq=below_seq)
    return purged


async def sweep_blobs(bus: Bus, partitions: int, unnamed_before: set[str]) -> set[str]:
    """Delete blobs that nothing has named in two looks in a row; return what nothing names now."""
    blobs = Blobs(bus)
    there = set(await blobs.list())
    unnamed = there - await _named(bus, blobs, partitions)
    for digest in unnamed & unnamed_before:
        await blobs.delete(digest)
    return unnamed - unnamed_before


async def _named(bus: Bus, blobs: Blobs, partitions: int) -> set[str]:
    """Return every digest that a checkpoint or a capsule names; models of capsules are inside them."""
    named: set[str] = set()
    for partition in range(partitions):
        found = await read_manifest(bus, partition)
        if found is not None:
            manifest = found[0]
            named |= {manifest.assets, *manifest.models, *read_assets(await blobs.get(manifest.assets)).values()}
    for key in await bus.keys(CAPSULES):
        capsule = await bus.get_key(CAPSULES, key)
        if capsule is not None:
            named.add(capsule[0].decode())
    return named
