"""Keep a plant view up to date: read back a bounded stretch of commits, then follow the stream.

What stands since before that stretch, assets that fell silent and alarms that nobody closed, is taken from checkpoints.
"""

import asyncio

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


async def follow_plant(bus: Bus, partitions: int, plant: Plant, look_back: int = LOOK_BACK_MESSAGES) -> None:
    """Apply commits of all partitions until cancelled, through restarts of the server."""
    start = await _until_begun(bus, partitions, plant, look_back)
    async with asyncio.TaskGroup() as tasks:
        for partition in range(partitions):
            tasks.create_task(_follow(bus, partition, plant, start))


async def read_plant(bus: Bus, partitions: int, plant: Plant, look_back: int = LOOK_BACK_MESSAGES) -> None:
    """Apply what is stored now, the same bounded stretch, and return. Raises UnavailableError."""
    start = await _begin(bus, partitions, plant, look_back)
    for partition in range(partitions):
        position = start - 1
        while messages := await bus.read(OUTCOMES, outcomes_subject(partition), position + 1):
            _apply(messages, plant)
            position = messages[-1].seq


async def _follow(bus: Bus, partition: int, plant: Plant, start: int) -> None:
    follower = bus.follow(OUTCOMES, outcomes_subject(partition), start)
    while True:
        try:
            _apply(await follower.fetch(WAIT_SECONDS), plant)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)


def _apply(messages: list[Message], plant: Plant) -> None:
    for message in messages:
        try:
            plant.apply(decode_commit(message.data))
        except RejectedError as error:
            log.error("a stored commit cannot be read; left out of the view", seq=message.seq, error=str(error))


async def _until_begun(bus: Bus, partitions: int, plant: Plant, look_back: int) -> int:
    while True:
        try:
            return await _begin(bus, partitions, plant, look_back)
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)


async def _begin(bus: Bus, partitions: int, plant: Plant, look_back: int) -> int:
    """Return from where on commits are to be read; what stands since before is in the plant then."""
    state = (await bus.stream_info(OUTCOMES))["state"]
    start = max(int(state["first_seq"]), int(state["last_seq"]) - look_back + 1, 1)
    if start > 1:
        await read_standing(bus, partitions, plant)
    return start
