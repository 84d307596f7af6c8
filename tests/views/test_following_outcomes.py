"""Follow a real stream: live, rebuilt, through a kill of the server, past what cannot be read."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from commits import TANK, a_history, plant_of, shown  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import ensure_streams, outcomes_subject
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.views.follow import follow_plant, read_plant
from iot_edge_anomaly.views.plant import Plant

pytestmark = [pytest.mark.anyio, pytest.mark.server]
SETTINGS = BusSettings(quota_mb=64, partitions=2)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    def __init__(self, folder: Path) -> None:
        self.port, mqtt_port = free_port(), free_port()
        self.address = embedded_address(folder, SETTINGS, port=self.port, mqtt_port=mqtt_port)
        configuration = write_configuration(folder, SETTINGS, port=self.port, mqtt_port=mqtt_port, devices=())
        self._command = [str(server_binary(SETTINGS)), "-c", str(configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        async with asyncio.timeout(20):
            await until_ready(self.address)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Broker, Bus]]:
    broker = Broker(folder)
    await broker.start()
    try:
        async with connect(broker.address) as bus:
            await ensure_streams(bus, 2, broker.address.quota_bytes)
            yield broker, bus
    finally:
        broker.kill()


async def store(bus: Bus, history: list[Commit]) -> None:
    for one in history:
        await bus.publish(outcomes_subject(one.partition), encode_commit(one))


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


async def test_rebuilt_is_live(tmp_path: Path) -> None:
    history = a_history(60)
    expected = shown(plant_of(history))
    async with running(tmp_path) as (_, bus):
        live, rebuilt, read = Plant(), Plant(), Plant()
        async with beside(follow_plant(bus, 2, live)):
            await store(bus, history)
            await eventually(lambda: live.positions == {0: 59, 1: 60} or live.positions == {0: 60, 1: 59})
        async with beside(follow_plant(bus, 2, rebuilt)):
            await eventually(lambda: rebuilt.positions == live.positions)
        await read_plant(bus, 2, read)
    assert shown(live) == shown(rebuilt) == shown(read) == expected


async def test_a_follower_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    history = a_history(60)
    async with running(tmp_path) as (broker, bus):
        live = Plant()
        async with beside(follow_plant(bus, 2, live)):
            await store(bus, history[:30])
            await eventually(lambda: sum(live.positions.values()) >= 59)
            broker.kill()
            await broker.start()
            await eventually(lambda: bus.is_connected)
            await store(bus, history[30:])
            await eventually(lambda: sum(live.positions.values()) >= 119)
    assert shown(live) == shown(plant_of(history))


async def test_what_cannot_be_read_is_left_out_and_the_rest_is_shown(tmp_path: Path) -> None:
    history = a_history(10)
    async with running(tmp_path) as (_, bus):
        await store(bus, history[:5])
        await bus.publish(outcomes_subject(1), b"\x01garbage")
        await store(bus, history[5:])
        plant = Plant()
        await read_plant(bus, 2, plant)
    assert shown(plant) == shown(plant_of(history))


async def test_only_the_newest_commits_are_read_back(tmp_path: Path) -> None:
    history = a_history(40)
    async with running(tmp_path) as (_, bus):
        await store(bus, history)
        plant = Plant()
        await read_plant(bus, 2, plant, look_back=6)
    assert shown(plant) == shown(plant_of(history[-6:]))
    assert [count.accepted for count in plant.counts(TANK)] == [12]
