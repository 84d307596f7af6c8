"""The historian: follows both streams and writes the tables, every so often or every so many bytes.

Whatever goes wrong, what is in memory is thrown away and read again from where the tables say they are. Only what is in
the tables is given free in the streams (`bus/reservations.py`).
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.reservations import reserve
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.historian.gathered import Gathered
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.historian.store import Store, upkeep_of
from iot_edge_anomaly.historian.upkeep import Upkeep
from iot_edge_anomaly.observability.signals import Level, Outage, Signal

WHO = "historian"
"""The name of its reservation."""

STREAMS = (READINGS, OUTCOMES)
FETCH_MESSAGES = 64
WAIT_SECONDS = 1.0
PAUSE_SECONDS = 2.0
OUTAGE = Outage("history", "writing history")
FLUSHED = Signal("history_flushes", "history was written", Level.DEBUG)
UNREADABLE = Signal("history_unreadable", "messages that history goes without", Level.COUNTED)


async def keep_history(
    bus: Bus,
    partitions: int,
    folder: Path,
    settings: HistorySettings,
    upkeep: Mapping[str, Upkeep] | None = None,
) -> None:
    """Write history until cancelled. Raises FatalError for tables or messages of another version of this program."""
    while True:
        try:
            await _keep(bus, partitions, folder, settings, upkeep or upkeep_of(settings))
        except* (UnavailableError, RejectedError) as errors:
            OUTAGE.began(error=str(errors.exceptions[0]))
        await asyncio.sleep(PAUSE_SECONDS)


async def _keep(
    bus: Bus, partitions: int, folder: Path, settings: HistorySettings, upkeep: Mapping[str, Upkeep]
) -> None:
    created = {stream: str((await bus.stream_info(stream))["created"]) for stream in STREAMS}
    store = await asyncio.to_thread(Store, folder, upkeep, created, partitions)
    intake = _Intake(store.written(), settings.flush_mb << 20)
    await _free(bus, store)
    async with asyncio.TaskGroup() as tasks:
        for stream in STREAMS:
            for partition, place in store.positions(stream).items():
                tasks.create_task(intake.follow(bus, stream, partition, place))
        while True:
            gathered = await intake.due(settings.flush_seconds)
            await asyncio.to_thread(store.write, gathered)
            await _free(bus, store)
            OUTAGE.ended()
            FLUSHED.emit(bytes=gathered.size)
            UNREADABLE.emit(gathered.unreadable)


async def _free(bus: Bus, store: Store) -> None:
    for stream in STREAMS:
        await reserve(bus, WHO, stream, store.positions(stream))


class _Intake:
    """Gathers from all partitions; once a whole flush was gathered, nobody reads on until it is taken away."""

    def __init__(self, written: Mapping[str, Mapping[int, int]], most_bytes: int) -> None:
        self._written = written
        self._most_bytes = most_bytes
        self._gathered = Gathered(written)
        self._full, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    async def follow(self, bus: Bus, stream: str, partition: int, position: int) -> None:
        """Read what is behind a position and whatever comes, through restarts of the server."""
        subject = readings_subject(partition) if stream == READINGS else outcomes_subject(partition)
        follower = bus.follow(stream, subject, position + 1)
        while True:
            await self._room.wait()
            try:
                messages = await follower.fetch(WAIT_SECONDS, FETCH_MESSAGES)
            except UnavailableError:
                await asyncio.sleep(WAIT_SECONDS)
                continue
            for message in messages:
                self._gathered.add(stream, partition, message)
            if self._gathered.size >= self._most_bytes:
                self._full.set()
                self._room.clear()

    async def due(self, flush_seconds: float) -> Gathered:
        """Return what was gathered, once it is enough, or after a while if it is anything."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(flush_seconds):
                    await self._full.wait()
            gathered = self._gathered
            if gathered.has_moved:
                self._gathered = Gathered(self._written)
                self._full.clear()
                self._room.set()
                return gathered
