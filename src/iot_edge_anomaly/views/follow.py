"""Keep a plant view up to date: read back a bounded stretch of commits, then follow the stream."""

import asyncio

from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.views.plant import Plant

LOOK_BACK_MESSAGES = 50_000
"""So many messages of the stream before its end are read at start; older alarms are in the historian."""

WAIT_SECONDS = 1.0
PAUSE_SECONDS = 0.5


async def follow_plant(bus: Bus, partitions: int, plant: Plant) -> None:
    """Apply commits of all partitions until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for partition in range(partitions):
            tasks.create_task(_follow(bus, partition, plant))


async def _follow(bus: Bus, partition: int, plant: Plant) -> None:
    state = (await bus.stream_info(OUTCOMES))["state"]
    start = max(int(state["first_seq"]), int(state["last_seq"]) - LOOK_BACK_MESSAGES, 1)
    follower = bus.follow(OUTCOMES, outcomes_subject(partition), start)
    while True:
        try:
            for message in await follower.fetch(WAIT_SECONDS):
                plant.apply(decode_commit(message.data))
        except UnavailableError:
            await asyncio.sleep(PAUSE_SECONDS)


async def read_plant(bus: Bus, partitions: int, plant: Plant) -> None:
    """Apply what is stored now, the same bounded stretch, and return."""
    state = (await bus.stream_info(OUTCOMES))["state"]
    for partition in range(partitions):
        position = max(int(state["first_seq"]), int(state["last_seq"]) - LOOK_BACK_MESSAGES, 1) - 1
        while messages := await bus.read(OUTCOMES, outcomes_subject(partition), position + 1):
            for message in messages:
                plant.apply(decode_commit(message.data))
            position = messages[-1].seq
