"""The streams and the server they are made on: room, replicas, a quota that changes."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from bus_server import BusServer, free_port

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.server import server_binary, until_ready
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings
from iot_edge_anomaly.bus.streams import BLOBS, BUCKETS, CONFIGURATION, OUTCOMES, READINGS, ensure_streams
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.resilience.tether import die_with_parent

pytestmark = [pytest.mark.anyio, pytest.mark.server]

QUOTA = 64 << 20
STREAMS = (READINGS, OUTCOMES, BLOBS, *(f"KV_{bucket}" for bucket in BUCKETS))


@asynccontextmanager
async def server(folder: Path, port: int, more: str) -> AsyncIterator["subprocess.Popen[bytes]"]:
    folder.mkdir()
    (folder / "server.conf").write_text(f"server_name: n{port}\nlisten: 127.0.0.1:{port}\n{more}")
    command = [str(server_binary(BusSettings())), "-c", str(folder / "server.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def jetstream(folder: Path, most_bytes: int) -> str:
    return f"jetstream {{ store_dir: {json.dumps(str(folder))}, max_file_store: {most_bytes} }}\n"


async def test_a_server_with_too_little_room_is_named_with_the_setting(tmp_path: Path, anyio_backend: str) -> None:
    port = free_port()
    address = BusAddress(f"nats://127.0.0.1:{port}", None, None, 2, QUOTA)
    async with server(tmp_path / "small", port, jetstream(tmp_path / "small", QUOTA // 2)):
        await until_ready(address)
        async with connect(address) as bus:
            with pytest.raises(ConfigError, match="make quota_mb smaller"):
                await ensure_streams(bus, 2, QUOTA)
            await ensure_streams(bus, 2, QUOTA // 2)


async def test_replicas_on_a_server_that_is_alone_are_refused_with_the_setting(nats_bus: Bus) -> None:
    with pytest.raises(ConfigError, match="set replicas = 1"):
        await ensure_streams(nats_bus, 2, QUOTA, 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: BusSettings(replicas=2, url="nats://a"), "1, 3 or 5"),
        (lambda: BusSettings(replicas=3), "needs a cluster"),
        (lambda: BusSettings(url="nats://a:4222,b:4222"), "must read nats://host:port"),
        (lambda: BusSettings(url="nats://a:many"), "must read nats://host:port"),
        (lambda: BusSettings(url=""), "must read nats://host:port"),
        (lambda: BusSettings(capsule_days=0), "capsule_days"),
        (lambda: BusSettings(capsule_mb=0), "capsule_mb"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: Callable[[], BusSettings], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()


async def test_a_smaller_quota_drops_nothing_that_is_stored(bus_server: BusServer, nats_bus: Bus) -> None:
    for _ in range(16):
        await nats_bus.publish("readings.0", os.urandom(1 << 20))
    await ensure_streams(nats_bus, 2, QUOTA // 4)
    assert (await nats_bus.stream_info(READINGS))["state"]["messages"] == 16
    with pytest.raises(UnavailableError, match="maximum bytes"):
        await nats_bus.publish("readings.0", b"x")
    await nats_bus.purge(READINGS, "readings.0", 16)
    await nats_bus.publish("readings.0", b"x")


async def test_a_full_input_leaves_room_for_all_that_is_made_of_it(nats_bus: Bus) -> None:
    async def fill(subject: str) -> None:
        while True:
            await nats_bus.publish(subject, bytes(1 << 20))

    for subject in ("readings.0", "outcomes.0"):
        with pytest.raises(UnavailableError, match="maximum bytes"):
            await fill(subject)
    await Blobs(nats_bus).put(os.urandom(QUOTA // 16))
    await nats_bus.put_key(CONFIGURATION, "rules", b"1")


async def test_streams_and_buckets_are_kept_on_three_servers_and_outlive_one(
    tmp_path: Path, anyio_backend: str
) -> None:
    ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    all_routes = json.dumps([f"nats://127.0.0.1:{port}" for port in routes])
    url = ",".join(f"nats://127.0.0.1:{port}" for port in ports)
    address = BusAddress(url, None, None, 2, QUOTA)

    def member(number: int) -> str:
        cluster = f"cluster {{ name: c, listen: 127.0.0.1:{routes[number]}, routes: {all_routes} }}\n"
        return jetstream(tmp_path / f"{number}", 2 * QUOTA) + cluster

    async def again(call: Callable[[], "asyncio.Future[object]"]) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    await call()
                except UnavailableError:
                    await asyncio.sleep(0.2)
                else:
                    return

    async with (
        server(tmp_path / "0", ports[0], member(0)) as first,
        server(tmp_path / "1", ports[1], member(1)),
        server(tmp_path / "2", ports[2], member(2)),
    ):
        await asyncio.wait_for(until_ready(address), 60)
        async with connect(address) as bus:
            await again(lambda: asyncio.ensure_future(ensure_streams(bus, 2, QUOTA, 3)))
            for name in STREAMS:
                assert (await bus.stream_info(name))["config"]["num_replicas"] == 3
            for port in ports:
                await check_reads(msgspec.structs.replace(address, url=f"nats://127.0.0.1:{port}"))
            seq = await bus.publish("readings.0", b"kept")
            first.kill()
            await again(
                lambda: asyncio.ensure_future(bus.publish("readings.0", b"goes on", expected_last_subject_seq=seq))
            )
            assert [message.data for message in await read_to_the_end(bus, seq)] == [b"kept", b"goes on"]


async def read_to_the_end(bus: Bus, position: int) -> list[Message]:
    found: list[Message] = []
    while messages := await bus.read(READINGS, "readings.0", position):
        found += messages
        position = found[-1].seq + 1
    return found


async def check_reads(address: BusAddress) -> None:
    """Whichever server is asked: what was acknowledged is read, to the end, and none that is not there."""
    async with connect(address) as bus:
        assert await bus.first(READINGS, "readings.1") is None
        assert await bus.read(READINGS, "readings.1", 0) == []
        assert await bus.get_key(CONFIGURATION, "none") is None
        for _ in range(100):
            seqs = await asyncio.gather(*(bus.publish("readings.0", os.urandom(5000)) for _ in range(8)))
            last = await bus.last(READINGS, "readings.0")
            assert last is not None
            assert last.seq == max(seqs)
            assert [message.seq for message in await read_to_the_end(bus, min(seqs))] == sorted(seqs)
        large = os.urandom(bus.max_payload_bytes)
        await bus.publish("readings.0", large)
        newest = await bus.last(READINGS, "readings.0")
        assert newest is not None
        assert newest.data == large
