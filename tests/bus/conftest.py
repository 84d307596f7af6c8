"""A NATS server of its own for every test: nothing is shared, so every test may kill, fill or stop it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from bus_server import BusServer
from weak_link import WeakLink, weak_link

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import ensure_streams


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def bus_settings() -> BusSettings:
    return BusSettings(quota_mb=64, partitions=2)


@pytest.fixture
def bus_server(tmp_path: Path, bus_settings: BusSettings) -> Iterator[BusServer]:
    """A server that was not started yet."""
    server = BusServer(tmp_path, bus_settings)
    yield server
    server.stop()


@pytest.fixture
async def nats_bus(bus_server: BusServer, bus_settings: BusSettings, anyio_backend: str) -> AsyncIterator[Bus]:
    """A connection to a running server that has the streams."""
    await bus_server.start()
    async with connect(bus_server.address, "test") as bus:
        await ensure_streams(bus, bus_settings.partitions, bus_server.address.quota_bytes)
        yield bus


@pytest.fixture
async def link(bus_server: BusServer, nats_bus: Bus) -> AsyncIterator[WeakLink]:
    """A link to the running server that can be muted and cut."""
    async with weak_link(bus_server.port) as opened:
        yield opened


@pytest.fixture
async def far_bus(bus_server: BusServer, link: WeakLink) -> AsyncIterator[Bus]:
    """A connection over that link."""
    address = msgspec.structs.replace(bus_server.address, url=f"nats://127.0.0.1:{link.port}")
    async with connect(address, "far") as bus:
        yield bus
