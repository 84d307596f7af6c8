"""A NATS server of its own for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from historian_world import Broker, running

from iot_edge_anomaly.bus.connection import Bus


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[tuple[Broker, Bus]]:
    async with running(tmp_path / "data") as world:
        yield world
