"""Work on the bus that is cancelled ends, also where the answer comes in the same moment."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEDGER, OUTCOMES, READINGS, outcomes_subject, readings_subject

pytestmark = [pytest.mark.server, pytest.mark.anyio]

Work = Callable[[Bus], Awaitable[object]]


async def ask(bus: Bus) -> None:
    while True:
        await bus.get_key(LEDGER, "nothing")


async def read(bus: Bus) -> None:
    while True:
        await bus.read(READINGS, readings_subject(0), 1)


async def follow(bus: Bus) -> None:
    follower = bus.follow(OUTCOMES, outcomes_subject(0))
    while True:
        await bus.publish(outcomes_subject(0), b"x")
        await follower.fetch(1.0)


@pytest.mark.parametrize("work", [ask, read, follow])
async def test_no_cancellation_is_lost(nats_bus: Bus, work: Work) -> None:
    pause = random.Random(7)
    for _ in range(150):
        task = asyncio.ensure_future(work(nats_bus))
        await asyncio.sleep(pause.uniform(0.0, 0.004))
        task.cancel()
        _, running = await asyncio.wait([task], timeout=5)
        while not task.done():  # the task itself must not outlive the test
            task.cancel()
            await asyncio.sleep(0.01)
        assert not running
        assert task.cancelled()
