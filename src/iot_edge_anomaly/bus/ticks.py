"""Time as input: a tick a second into each partition that is owned here, and word of sources that have gone quiet."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from iot_edge_anomaly.bus.intake import GroupCommit
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.component.pipeline import State
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch, Envelope, Item, SourceIdle, Tick


class Quiet:
    """Which sources of a partition were heard when, by this process's own clock."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._heard: dict[tuple[str, str, str], float] = {}

    def observe(self, envelopes: Sequence[Envelope]) -> None:
        """Note who has sent."""
        now = time.monotonic()
        for envelope in envelopes:
            for item in envelope.items:
                if isinstance(item, Batch):
                    self._heard[item.tenant, item.asset, item.source] = now

    def gone_quiet(self, now_ns: int) -> list[Item]:
        """Return word of each source that has just been silent for too long; once, until it is heard again."""
        limit = time.monotonic() - self._idle_seconds
        quiet = [source for source, heard in self._heard.items() if heard < limit]
        for source in quiet:
            del self._heard[source]
        return [SourceIdle(*source, now_ns) for source in quiet]


async def tick(
    processor: Processor[State],
    quiet: Quiet,
    partition: int,
    intake: GroupCommit,
    clock: Clock,
    every_seconds: float,
    stop: asyncio.Event,
) -> None:
    """Put ticks into the stream while this worker owns the partition. A tick that cannot be stored is not missed."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_seconds):
                await stop.wait()
        if processor.is_owner and not stop.is_set():
            now_ns = clock.now_ns()
            with contextlib.suppress(UnavailableError):
                await intake.accept_in(partition, [*quiet.gone_quiet(now_ns), Tick(now_ns)])
