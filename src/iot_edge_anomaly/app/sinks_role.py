"""The role that hands alarms on; apart from the other roles, because it loads SQLAlchemy."""

import math
from collections.abc import Sequence
from pathlib import Path

import anyio

from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.worker import stop_event
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.component.sink import AlarmFeed, Posting
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.sinks.backlog import Backlog
from iot_edge_anomaly.sinks.catalog import spec_of
from iot_edge_anomaly.sinks.health import SinkHealth, keep_health
from iot_edge_anomaly.sinks.places import Place, Places
from iot_edge_anomaly.sinks.runner import Outlet, run_all
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.storage.database import open_database, view_database
from iot_edge_anomaly.views.records_store import Records

ROLE = "sinks"
FIRST_WAIT_SECONDS = 15.0
MOMENT_SECONDS = 0.4


async def run_sinks(settings: Settings, data_dir: Path) -> None:
    """Hand alarms on until told to stop."""
    address = read_address(data_dir)
    stop = stop_event()
    feed = RecordsFeed(Records(open_database(view_database(data_dir))))
    async with connect(address, ROLE) as bus:
        outlets = [outlet(one, bus, feed) for one in settings.sinks]
        async with beside(
            keep_snapshot(ROLE, metrics_folder(data_dir)),
            keep_health(lambda: tuple(one.health for one in outlets), data_dir),
            _hand_on(outlets, feed, address.partitions),
        ):
            await stop.wait()


async def _hand_on(outlets: Sequence[Outlet], feed: AlarmFeed, partitions: int) -> None:
    """Run the sinks. At the first start of a system the view database is made meanwhile: that is no outage yet."""
    with anyio.move_on_after(FIRST_WAIT_SECONDS):
        while not await _answers(feed):
            await anyio.sleep(0.1)
    await run_all(outlets, feed, partitions)


async def _answers(feed: AlarmFeed) -> bool:
    try:
        await feed.missing(0)
    except UnavailableError:
        return False
    return True


class RecordsFeed:
    """The transitions in the view database; each look is made in a thread.

    Of sinks that have come to the end together one looks for all: that there was nothing holds for a moment.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._ends: dict[int, tuple[Place, float]] = {}

    async def after(self, partition: int, position: int, number: int, limit: int) -> Sequence[Posting]:
        """Return what comes next. Raises UnavailableError while there is no view database, or it cannot be read."""
        place, now = Place(position, number), anyio.current_time()
        end, since = self._ends.get(partition, (place, -math.inf))
        if place >= end and now - since < MOMENT_SECONDS:
            return ()
        found = await anyio.to_thread.run_sync(self._records.after, partition, position, number, limit)
        if not found:
            self._ends[partition] = (place, now)
        return found

    async def missing(self, partition: int) -> int:
        """Return up to which commit transitions are not there."""
        return (await anyio.to_thread.run_sync(self._records.missing)).get(partition, 0)


def outlet(settings: SinkSettings, bus: Bus, feed: AlarmFeed) -> Outlet:
    """Put together all that is kept of a sink."""
    return Outlet(
        spec_of(settings),
        settings,
        Places(bus, settings.name, from_start=settings.replay_from_start),
        Backlog(feed, settings.wants),
        SinkHealth(settings.name),
    )
