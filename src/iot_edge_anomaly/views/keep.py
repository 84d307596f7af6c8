"""Keep the view database up to date: follow OUTCOMES of all partitions, write batches of commits with their positions.

| killed while | the next start |
|---|---|
| following, decoding | reads the same commits again |
| writing | finds nothing of that transaction, and reads its commits again |
| setting a file aside | finds what is left of it damaged or gone, and builds it anew |
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.pages import OUT, read_page
from iot_edge_anomaly.bus.reservations import reserve
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.observability.signals import Outage
from iot_edge_anomaly.storage.database import build_database, discard
from iot_edge_anomaly.views.settings import READER
from iot_edge_anomaly.views.standing import standing_commit
from iot_edge_anomaly.views.tables import LAYOUT, TABLES
from iot_edge_anomaly.views.writer import Reached, Writer

log = structlog.get_logger(__name__)

WAIT_SECONDS = 1.0
PAUSE_SECONDS = 0.5
GATHER_SECONDS = 0.1
"""So long commits gather before they are written together."""

RESERVE_SECONDS = 5.0
OUTAGE = Outage("view_database", "the view database")
_Answer = TypeVar("_Answer")


async def keep_records(bus: Bus, partitions: int, where: str | Path, keep_days: int) -> None:
    """Write what is committed into the view database until cancelled, through restarts of the server.

    Raises FatalError when the file is found damaged on the way: started anew, it is built anew.
    """
    writer = await _until(lambda: _begin(bus, partitions, where, keep_days))
    try:
        reached = await _until(partial(asyncio.to_thread, writer.reached))
        positions = {partition: _position(reached, partition) for partition in range(partitions)}
        turn = asyncio.Lock()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_reserve(bus, positions))
            for partition in range(partitions):
                tasks.create_task(_follow(bus, writer, turn, partition, positions))
    finally:
        writer.close()


async def _begin(bus: Bus, partitions: int, where: str | Path, keep_days: int) -> Writer:
    """Open the database where it fits the streams, else build it anew."""
    engine = await asyncio.to_thread(build_database, where, TABLES, LAYOUT)
    try:
        writer = Writer(engine, keep_days)
        reached = await asyncio.to_thread(writer.reached)
        if why := await _misfit(bus, reached.values()):
            await asyncio.to_thread(discard, engine, where, TABLES, why)
            reached = {}
            engine = await asyncio.to_thread(build_database, where, TABLES, LAYOUT)
            writer = Writer(engine, keep_days)
        for partition in range(partitions):
            await _skip_purged(bus, writer, partition, _position(reached, partition))
    except BaseException:
        engine.dispose()
        raise
    return writer


def _position(reached: Mapping[int, Reached], partition: int) -> int:
    return reached[partition].position if partition in reached else 0


async def _misfit(bus: Bus, written: Iterable[Reached]) -> str | None:
    """Say why what was written is of other streams than these; None where it is of these."""
    last = int((await bus.stream_info(OUTCOMES))["state"]["last_seq"])
    for reached in written:
        if reached.position > last:
            return f"it reaches up to message {reached.position} of OUTCOMES, which ends at {last}"
        found = await bus.first(OUTCOMES, outcomes_subject(reached.partition), reached.position)
        if found is not None and found.seq == reached.position and not _is_known(found.data, reached):
            return f"message {found.seq} of OUTCOMES is not the one that was written: the streams are others"
    return None


def _is_known(data: bytes, reached: Reached) -> bool:
    """Tell whether the last message that was written may have been this one."""
    try:
        commit = decode_commit(data)
    except RejectedError:
        return True
    return commit.last_seq <= reached.committed and commit.now_ns <= reached.clock_ns


async def _skip_purged(bus: Bus, writer: Writer, partition: int, position: int) -> None:
    """Go on behind what the janitor has purged, with the alarms that stand since then."""
    purged_up_to = (await read_page(bus, OUT, partition))[0].up_to_seq
    if purged_up_to <= position:
        return
    text = "commits were purged before they were written: of what they said only the alarms that still stand are kept"
    log.warning(text, partition=partition, behind=position, up_to=purged_up_to)
    await asyncio.to_thread(writer.skip, partition, purged_up_to, await standing_commit(bus, partition))


async def _follow(bus: Bus, writer: Writer, turn: asyncio.Lock, partition: int, positions: dict[int, int]) -> None:
    """Follow one partition; of all of them one writes at a time, for the file takes one writer."""
    follower = bus.follow(OUTCOMES, outcomes_subject(partition), positions[partition] + 1)
    while True:
        messages = await _until(lambda: follower.fetch(WAIT_SECONDS))
        if not messages:
            continue
        async with turn:
            await _until(partial(asyncio.to_thread, writer.apply, partition, messages))
        positions[partition] = messages[-1].seq
        await asyncio.sleep(GATHER_SECONDS)


async def _reserve(bus: Bus, positions: Mapping[int, int]) -> None:
    """Say from time to time what is written, so that what is not stays in the stream."""
    said: dict[int, int] = {}
    while True:
        if said != positions:
            said = dict(positions)
            await _until(partial(reserve, bus, READER, OUTCOMES, said))
        await asyncio.sleep(RESERVE_SECONDS)


async def _until(attempt: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Return the answer of the first attempt that succeeds."""
    while True:
        try:
            answer = await attempt()
        except UnavailableError as error:
            OUTAGE.began(error=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            OUTAGE.ended()
            return answer
