"""The server killed, filled and restarted: what was acknowledged is there once, and what was not is said so."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bus_server import BusServer, eventually

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.connection import REQUEST_SECONDS, Bus, connect
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import READINGS, ensure_streams
from iot_edge_anomaly.core.errors import UnavailableError

pytestmark = [pytest.mark.anyio, pytest.mark.server]

PARTITION = "readings.0"


@asynccontextmanager
async def beside(job: "asyncio.Task[None]") -> AsyncIterator[None]:
    try:
        yield
    finally:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)


async def stored(bus: Bus, subject: str = PARTITION) -> list[Message]:
    found: list[Message] = []
    while messages := await bus.read(READINGS, subject, found[-1].seq + 1 if found else 0):
        found += messages
    return found


async def publish_until_stored(bus: Bus, data: bytes, name: str) -> int:
    async with asyncio.timeout(30):
        while True:
            try:
                return await bus.publish(PARTITION, data, message_id=name)
            except UnavailableError:
                await asyncio.sleep(0.02)


async def fill(bus: Bus, size: int, accepted: dict[int, bytes]) -> None:
    """Publish until the server refuses."""
    while True:
        data = os.urandom(size)
        accepted[await bus.publish(PARTITION, data)] = data


async def test_nothing_acknowledged_is_missing_and_nothing_doubled_when_the_server_is_killed(
    bus_server: BusServer, nats_bus: Bus
) -> None:
    senders, messages, kills = 8, 60, 3
    acknowledged: dict[bytes, int] = {}

    async def send(sender: int) -> None:
        for number in range(messages):
            data = f"{sender}-{number}".encode()
            acknowledged[data] = await publish_until_stored(nats_bus, data, data.decode())

    async def kill() -> None:
        for round_ in range(1, kills + 1):
            while len(acknowledged) < round_ * senders * messages // (kills + 1):
                await asyncio.sleep(0.001)
            bus_server.kill()
            await bus_server.start()

    async with asyncio.TaskGroup() as tasks:
        for sender in range(senders):
            tasks.create_task(send(sender))
        tasks.create_task(kill())

    found = {message.data: message.seq for message in await stored(nats_bus)}
    counts = Counter(message.data for message in await stored(nats_bus))
    assert len(acknowledged) == senders * messages
    assert found == acknowledged
    assert set(counts.values()) == {1}


async def test_a_call_in_flight_when_the_server_dies_fails_before_its_time_is_up(
    bus_server: BusServer, nats_bus: Bus
) -> None:
    calls = [asyncio.create_task(nats_bus.publish(PARTITION, bytes(100_000))) for _ in range(200)]
    await asyncio.sleep(0)
    bus_server.kill()
    async with asyncio.timeout(REQUEST_SECONDS - 1):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    failures = [outcome for outcome in outcomes if not isinstance(outcome, int)]
    assert failures
    assert all(isinstance(failure, UnavailableError) for failure in failures)


async def test_a_follower_sees_each_message_once_and_in_order_through_kills(
    bus_server: BusServer, nats_bus: Bus
) -> None:
    messages, kills = 300, 3
    seen: list[Message] = []

    async def publish() -> None:
        for number in range(messages):
            if number and number % (messages // (kills + 1)) == 0:
                bus_server.kill()
                await bus_server.start()
            await publish_until_stored(nats_bus, str(number).encode(), str(number))

    async with connect(bus_server.address, "follower") as other:
        follower = other.follow(READINGS, PARTITION)
        async with beside(asyncio.create_task(publish())), asyncio.timeout(60):
            while len(seen) < messages:
                try:
                    seen += await follower.fetch(0.2)
                except UnavailableError:
                    await asyncio.sleep(0.02)
        await follower.close()
    assert [int(message.data) for message in seen] == list(range(messages))


async def test_a_follower_starts_where_it_is_told_and_sees_its_own_partition_only(nats_bus: Bus) -> None:
    seqs = [await nats_bus.publish(f"readings.{number % 2}", b"x") for number in range(10)]
    follower = nats_bus.follow(READINGS, PARTITION, seqs[4])
    seen: list[Message] = []
    while messages := await follower.fetch(0.3, 2):
        assert len(messages) <= 2
        seen += messages
    assert [message.seq for message in seen] == [seqs[4], seqs[6], seqs[8]]


async def test_a_full_stream_refuses_at_once_keeps_what_it_has_and_goes_on_after_a_purge(nats_bus: Bus) -> None:
    accepted: dict[int, bytes] = {}
    with pytest.raises(UnavailableError, match="maximum bytes"):
        await fill(nats_bus, 1 << 20, accepted)
    assert {message.seq: message.data for message in await stored(nats_bus)} == accepted
    await nats_bus.purge(READINGS, PARTITION, sorted(accepted)[3])
    assert await nats_bus.publish(PARTITION, bytes(1 << 20)) > max(accepted)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], capture_output=True).returncode == 0
    )
    if not mounted:
        pytest.skip("needs the right to mount a small file system (root)")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


async def test_a_full_disk_loses_nothing_acknowledged_and_a_restart_with_room_goes_on(small_disk: Path) -> None:
    server = BusServer(small_disk, BusSettings(quota_mb=512, partitions=2))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(16 << 20))
    accepted: dict[int, bytes] = {}
    try:
        await server.start()
        async with connect(server.address, "test") as bus:
            await ensure_streams(bus, 2, server.address.quota_bytes)
            with pytest.raises(UnavailableError):
                await fill(bus, 1 << 18, accepted)
            assert len(accepted) > 20
            ballast.unlink()
            server.stop()
            await server.start()

            async def answers() -> bool:
                try:
                    return bool(await bus.last(READINGS, PARTITION))
                except UnavailableError:
                    return False

            await eventually(answers)
            found = {message.seq: message.data for message in await stored(bus)}
            assert accepted.items() <= found.items()
            assert await publish_until_stored(bus, b"goes on", "after") > max(accepted)
    finally:
        server.stop()
