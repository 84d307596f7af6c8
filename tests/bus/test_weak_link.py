"""The server lives and stores, but its answers are lost: nothing is stored twice, skipped or taken for refused."""

import asyncio

import pytest
from weak_link import WeakLink

from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.streams import READINGS
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Tick

pytestmark = [pytest.mark.anyio, pytest.mark.server]

SUBJECT = "readings.0"


async def stored(bus: Bus) -> list[bytes]:
    return [message.data for message in await bus.read(READINGS, SUBJECT, 0)]


async def test_a_group_whose_answer_was_lost_is_sent_again_and_stored_once(
    nats_bus: Bus, far_bus: Bus, link: WeakLink
) -> None:
    async with open_intake(far_bus, 2) as intake:
        await intake.accept_in(0, [Tick(1)])
        link.mute()
        call = asyncio.create_task(intake.accept_in(0, [Tick(2)]))
        await asyncio.wait_for(link.swallowed.wait(), 10)
        assert not call.done()
        link.cut()
        await asyncio.wait_for(call, 10)
        await intake.accept_in(0, [Tick(3)])
    found = [item for data in await stored(nats_bus) for item in decode_envelope(data, 1).items]
    assert found == [Tick(1), Tick(2), Tick(3)]


async def test_a_publish_whose_answer_was_lost_is_unavailable_although_it_was_stored(
    nats_bus: Bus, far_bus: Bus, link: WeakLink
) -> None:
    link.mute()
    call = asyncio.create_task(far_bus.publish(SUBJECT, b"x", message_id="x-1"))
    await asyncio.wait_for(link.swallowed.wait(), 10)
    link.cut()
    with pytest.raises(UnavailableError):
        await call
    assert await stored(nats_bus) == [b"x"]
    first = await nats_bus.last(READINGS, SUBJECT)
    assert first is not None
    assert await nats_bus.publish(SUBJECT, b"x", message_id="x-1") == first.seq


async def test_a_follower_asks_again_for_what_was_lost_on_the_way(nats_bus: Bus, far_bus: Bus, link: WeakLink) -> None:
    follower = far_bus.follow(READINGS, SUBJECT)
    seen: list[bytes] = []

    async def until_seen(count: int) -> None:
        async with asyncio.timeout(30):
            while len(seen) < count:
                try:
                    seen.extend(message.data for message in await follower.fetch(0.2))
                except UnavailableError:
                    await asyncio.sleep(0.02)

    for round_ in range(3):
        await nats_bus.publish(SUBJECT, f"{round_} heard".encode())
        await until_seen(3 * round_ + 1)
        link.mute()
        await nats_bus.publish(SUBJECT, f"{round_} lost".encode())
        await asyncio.wait_for(link.swallowed.wait(), 10)
        link.cut()
        await nats_bus.publish(SUBJECT, f"{round_} after".encode())
        await until_seen(3 * round_ + 3)
    await follower.close()
    assert seen == await stored(nats_bus)
