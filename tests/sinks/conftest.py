"""One NATS server for all places of sinks; each test has sinks of names of its own."""

from collections.abc import Iterator

import pytest
from sink_bus import SinkBus  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def sink_bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SinkBus]:
    """Use it, do not break it."""
    server = SinkBus(tmp_path_factory.mktemp("bus"))
    server.start()
    yield server
    server.stop()
