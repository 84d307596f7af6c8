"""A partition has one owner at a time: taken, renewed, lost, given up, and never given up by somebody else."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from bus_server import BusServer, eventually
from weak_link import weak_link

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.lease import EXPIRE_SECONDS, RENEW_SECONDS, Lease
from iot_edge_anomaly.bus.streams import LEASES
from iot_edge_anomaly.core.errors import UnavailableError

pytestmark = [pytest.mark.anyio, pytest.mark.server]

KEY = "partition.0"


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def mine(nats_bus: Bus, clock: Hand) -> Lease:
    return Lease(nats_bus, 0, clock)


@pytest.fixture
async def other_bus(bus_server: BusServer, nats_bus: Bus) -> AsyncIterator[Bus]:
    async with connect(bus_server.address, "other") as bus:
        yield bus


@pytest.fixture
def other(other_bus: Bus, clock: Hand) -> Lease:
    return Lease(other_bus, 0, clock)


async def value(bus: Bus) -> bytes | None:
    found = await bus.get_key(LEASES, KEY)
    return None if found is None else found[0]


async def revision(bus: Bus) -> int:
    found = await bus.get_key(LEASES, KEY)
    assert found is not None
    return found[1]


async def test_it_is_taken_once_and_renewed_by_its_owner_for_as_long_as_it_likes(
    mine: Lease, other: Lease, clock: Hand
) -> None:
    assert await mine.hold()
    for _ in range(6):
        assert not await other.hold()
        clock.at += RENEW_SECONDS
        assert await mine.hold()


async def test_it_is_not_written_more_often_than_needed(nats_bus: Bus, mine: Lease, clock: Hand) -> None:
    await mine.hold()
    before = await revision(nats_bus)
    clock.at += RENEW_SECONDS / 2
    assert await mine.hold()
    assert await revision(nats_bus) == before


@pytest.mark.parametrize(
    ("silent_for", "is_free"), [(EXPIRE_SECONDS - 0.01, False), (EXPIRE_SECONDS, True), (9 * EXPIRE_SECONDS, True)]
)
async def test_it_is_free_when_its_owner_was_silent_for_long(
    mine: Lease, other: Lease, clock: Hand, silent_for: float, is_free: bool
) -> None:
    await mine.hold()
    assert not await other.hold()
    clock.at += silent_for
    assert await other.hold() is is_free


async def test_a_renewal_that_is_seen_late_starts_the_waiting_anew(mine: Lease, other: Lease, clock: Hand) -> None:
    await mine.hold()
    assert not await other.hold()
    clock.at += EXPIRE_SECONDS
    assert await mine.hold()
    assert not await other.hold()
    clock.at += EXPIRE_SECONDS
    assert await other.hold()
    assert not await mine.hold()


async def test_a_lease_that_was_given_up_is_free_at_once(mine: Lease, other: Lease) -> None:
    await mine.hold()
    assert not await other.hold()
    await mine.release()
    assert await other.hold()
    assert not await mine.hold()


async def test_who_lost_it_cannot_give_up_what_is_anothers(
    nats_bus: Bus, mine: Lease, other: Lease, clock: Hand
) -> None:
    await mine.hold()
    assert not await other.hold()
    clock.at += EXPIRE_SECONDS
    assert await other.hold()
    before = await value(nats_bus)
    await mine.release()
    assert await value(nats_bus) == before
    third = Lease(nats_bus, 0, clock)
    assert not await third.hold()


async def test_giving_up_what_was_never_held_leaves_no_trace(nats_bus: Bus, mine: Lease) -> None:
    await mine.release()
    assert await value(nats_bus) is None


async def test_of_many_who_want_it_at_once_one_gets_it(nats_bus: Bus, other_bus: Bus, clock: Hand) -> None:
    for _ in range(20):
        wanting = [Lease(bus, 0, clock) for bus in (nats_bus, other_bus) for _ in range(4)]
        held = await asyncio.gather(*(lease.hold() for lease in wanting))
        assert held.count(True) == 1
        await wanting[held.index(True)].release()


async def test_a_renewal_whose_answer_was_lost_is_known_again_as_ones_own(
    bus_server: BusServer, nats_bus: Bus, clock: Hand
) -> None:
    async with weak_link(bus_server.port) as link:
        address = msgspec.structs.replace(bus_server.address, url=f"nats://127.0.0.1:{link.port}")
        async with connect(address, "far") as far:
            lease = Lease(far, 0, clock)
            assert await lease.hold()
            before = await revision(nats_bus)
            link.mute_at(b"PUB $KV.leases")
            clock.at += RENEW_SECONDS
            call = asyncio.create_task(lease.hold())
            await asyncio.wait_for(link.swallowed.wait(), 10)
            assert await revision(nats_bus) > before
            link.cut()
            with pytest.raises(UnavailableError):
                await call

            async def is_held() -> bool:
                try:
                    return await lease.hold()
                except UnavailableError:
                    return False

            await eventually(is_held)
