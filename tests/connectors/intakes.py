"""An intake that a test can look into, and tell to refuse."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from iot_edge_anomaly.connectors.health import ConnectorHealth
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item


class RecordingIntake:
    """Keeps what it accepted; refuses while `refuses`, and rejects what holds more than `most` readings at once."""

    def __init__(self, *, refuses: bool = False, most: int = 10**9) -> None:
        self.batches: list[Batch] = []
        self.calls = 0
        self.refuses = refuses
        self._most = most

    async def accept(self, items: Sequence[Item]) -> None:
        self.calls += 1
        if self.refuses:
            raise UnavailableError("the bus is down")
        batches = [item for item in items if isinstance(item, Batch)]
        if sum(len(batch.values()) for batch in batches) > self._most:
            raise RejectedError("too large at once")
        self.batches += batches

    def sequences(self) -> set[int]:
        return {batch.sequence for batch in self.batches}


def health_of(*names: str) -> dict[str, ConnectorHealth]:
    return {name: ConnectorHealth(name) for name in names}


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def in_background(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run `work` for the time of the block, then cancel it and see that it ends."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        _, pending = await asyncio.wait([task], timeout=10)
        assert not pending, "does not stop when it is cancelled"
