"""A shared gateway for tests that do it no harm, and one of its own for tests that break it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gateway_system import System, running  # type: ignore[import-not-found]

from iot_edge_anomaly.gateway.settings import GatewaySettings


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One gateway for all tests that do it no harm: use assets of your own."""
    for system in running(tmp_path_factory.mktemp("gateway"), GatewaySettings(max_body_bytes=1_000_000)):
        system.start_views()
        yield system


@pytest.fixture
def own_system(tmp_path: Path) -> Iterator[System]:
    """A gateway for one test, which may break it."""
    yield from running(tmp_path, GatewaySettings(requests_per_second=1000, burst=1000))


@pytest.fixture(scope="session")
def client(system: System) -> Iterator[httpx.Client]:
    """The owner of the shared gateway."""
    with system.client() as client:
        yield client
