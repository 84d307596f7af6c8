"""Time as input: a tick a second into each partition that is owned here, and word of sources that have gone quiet."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence

from iot_edge_anomaly.bus.intake import GroupCommit
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.component.pipeline import SourceName, State
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch, Envelope, Item, SourceIdle, Tick

LONGEST_PAUSE = 5
"""So many times the usual pause between two ticks is one in which nobody listened."""


class Quiet:
    """Which sources of a partition were heard when, by this process's own clock.

    One that cells wait for and that this process has not heard yet counts as heard when it is first asked about: so
    a source that fell silent before a restart is found after it.
    """

    def __init__(self, idle_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._idle_seconds = idle_seconds
        self._monotonic = monotonic
        self._heard: dict[SourceName, float] = {}

    def observe(self, envelopes: Sequence[Envelope]) -> None:
        """Note who has sent."""
        now = self._monotonic()
        for envelope in envelopes:
            for item in envelope.items:
                if isinstance(item, Batch):
                    self._heard[item.tenant, item.asset, item.source] = now

    def gone_quiet(self, awaited: Collection[SourceName], now_ns: int) -> list[Item]:
        """Return word of each awaited source that has just been silent for too long; once, until it is heard again."""
        now = self._monotonic()
        self._heard = {source: self._heard.get(source, now) for source in awaited}
        quiet = sorted(source for source, heard in self._heard.items() if heard < now - self._idle_seconds)
        self._heard |= dict.fromkeys(quiet, now)
        return [SourceIdle(*source, now_ns) for source in quiet]


class Beat:
    """Makes the ticks of a partition, and says where one comes after a time in which nobody listened.

    That is so at the beginning, and after a longer pause: the store was away, this process was halted, or the wall
    clock leapt. Devices may have had nobody to speak to, or what they said may still be queued.
    """

    def __init__(self, every_seconds: float) -> None:
        self._longest_pause_ns = round(LONGEST_PAUSE * every_seconds * 1e9)
        self._last_ns: int | None = None

    def tick(self, now_ns: int) -> Tick:
        """Return the tick of this moment."""
        last_ns = self._last_ns
        return Tick(now_ns, resumed=last_ns is None or now_ns - last_ns > self._longest_pause_ns)

    def stored(self, tick: Tick) -> None:
        """Note that a tick is in the stream."""
        self._last_ns = tick.now_ns

    def rest(self) -> None:
        """Begin anew: somebody else may tick now."""
        self._last_ns = None


async def tick(
    processor: Processor[State],
    quiet: Quiet,
    partition: int,
    intake: GroupCommit,
    clock: Clock,
    every_seconds: float,
    stop: asyncio.Event,
) -> None:
    """Put ticks into the stream while this worker owns the partition. One that cannot be stored is not missed."""
    beat = Beat(every_seconds)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_seconds):
                await stop.wait()
        if not processor.is_owner or stop.is_set():
            beat.rest()
            continue
        now_ns = clock.now_ns()
        with contextlib.suppress(UnavailableError):
            quiet_ones = quiet.gone_quiet(processor.awaited(), now_ns)
            now = beat.tick(now_ns)
            await intake.accept_in(partition, [*quiet_ones, now])
            beat.stored(now)
