"""Keep a plant view up to date: read back a bounded stretch of commits, then follow the stream.

What stands since before that stretch, assets that fell silent and alarms that nobody closed, is taken from checkpoints.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import structlog

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.views.plant import Plant
from iot_edge_anomaly.views.standing import read_standing

log = structlog.get_logger(__name__)

LOOK_BACK_MESSAGES = 50_000
"""So many messages of the stream before its end are read at start."""

WAIT_SECONDS = 1.0
PAUSE_SECONDS = 0.5
END = 1 << 62


class CatchUp:
    """Tells whether a view has come to the end of what was stored when its following began."""

    def __init__(self) -> None:
        self._missing: dict[int, int] | None = None

    @property
    def is_done(self) -> bool:
        """Whether what the view shows is whole."""
        return self._missing == {}

    def begin(self, ends: Mapping[int, int]) -> None:
        """Note the last message of each partition that has one."""
        self._missing = dict(ends)

    def lacks(self, partition: int) -> bool:
        """Tell whether the end of a partition was not reached yet."""
        return partition in (self._missing or {})

    def reached(self, partition: int, seq: int) -> None:
        """Note how far a partition was applied."""
        if self._missing and seq >= self._missing.get(partition, seq + 1):
            del self._missing[partition]


class _Stretch(NamedTuple):
    """From where on commits are to be read, and the last one of each partition that has any there."""

    start: int
    ends: Mapping[int, int]


async def follow_plant(
    bus: Bus, partitions: int, plant: Plant, look_back: int = LOOK_BACK_MESSAGES, catch_up: CatchUp | None = None
) -> None:
    """Apply commits of all partitions until cancelled, through restarts of the server."""
    stretch = await _until_begun(bus, partitions, plant, look_back)
    catch_up = catch_up or CatchUp()
    catch_up.begin(stretch.ends)
    async with asyncio.TaskGroup() as tasks:
        for partition in range(partitions):
            tasks.create_task(_follow(bus, partition, plant, stretch.start, catch_up))


async def read_plant(bus: Bus, partitions: int, plant: Plant, look_back: int = LOOK_BACK_MESSAGES) -> None:
    """Apply what is stored now, the same bounded stretch, and return. Raises UnavailableError."""
    stretch = await _begin(bus, partitions, plant, look_back)
    for partition in range(partitions):
        position = stretch.start - 1
        while messages := await bus.read(OUTCOMES, outcomes_subject(partition), position + 1):
            _apply(messages, plant)
            position = messages[-1].seq


async def _follow(bus: Bus, partition: int, plant: Plant, start: int, catch_up: CatchUp) -> None:
    follower, position = bus.follow(OUTCOMES, outcomes_subject(partition), start), start - 1
    while True:
        try:
            messages = await follower.fetch(WAIT_SECONDS)
            if not messages and catch_up.lacks(partition) and await _is_end(bus, partition, position):
                catch_up.reached(partition, END)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        _apply(messages, plant)
        if messages:
            position = messages[-1].seq
            catch_up.reached(partition, position)


async def _is_end(bus: Bus, partition: int, position: int) -> bool:
    """Tell whether nothing is stored behind a position: what was the end may have been purged meanwhile."""
    last = await bus.last(OUTCOMES, outcomes_subject(partition))
    return last is None or last.seq <= position


def _apply(messages: list[Message], plant: Plant) -> None:
    for message in messages:
        try:
            plant.apply(decode_commit(message.data))
        except RejectedError as error:
            log.error("a stored commit cannot be read; left out of the view", seq=message.seq, error=str(error))


async def _until_begun(bus: Bus, partitions: int, plant: Plant, look_back: int) -> _Stretch:
    while True:
        try:
            return await _begin(bus, partitions, plant, look_back)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)


async def _begin(bus: Bus, partitions: int, plant: Plant, look_back: int) -> _Stretch:
    """Return what is to be read; what stands since before is in the plant then."""
    state = (await bus.stream_info(OUTCOMES))["state"]
    start = max(int(state["first_seq"]), int(state["last_seq"]) - look_back + 1, 1)
    if start > 1:
        await read_standing(bus, partitions, plant)
    last = {partition: await bus.last(OUTCOMES, outcomes_subject(partition)) for partition in range(partitions)}
    ends = {number: message.seq for number, message in last.items() if message is not None and message.seq >= start}
    return _Stretch(start, ends)
