"""Run sinks as the role does, in the process of a test."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from waiting import in_background  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.component.sink import AlarmFeed, SinkSpec
from iot_edge_anomaly.sinks.backlog import Backlog
from iot_edge_anomaly.sinks.catalog import spec_of
from iot_edge_anomaly.sinks.health import SinkHealth
from iot_edge_anomaly.sinks.places import Places
from iot_edge_anomaly.sinks.runner import Outlet, run_all
from iot_edge_anomaly.sinks.settings import SinkSettings


def own_name(settings: SinkSettings) -> SinkSettings:
    """Return the settings under a name that no test had before."""
    return msgspec.structs.replace(settings, name=f"{settings.name}-{uuid.uuid4().hex}")


def outlet(settings: SinkSettings, bus: Bus, feed: AlarmFeed, spec: SinkSpec | None = None) -> Outlet:
    return Outlet(
        spec or spec_of(settings),
        settings,
        Places(bus, settings.name, from_start=settings.replay_from_start),
        Backlog(feed, settings.wants),
        SinkHealth(settings.name),
    )


@asynccontextmanager
async def running(
    address: BusAddress, feed: AlarmFeed, wanted: Sequence[tuple[SinkSettings, SinkSpec | None]]
) -> AsyncIterator[list[Outlet]]:
    """Run sinks for the time of the block."""
    async with connect(address, "test") as bus:
        outlets = [outlet(settings, bus, feed, spec) for settings, spec in wanted]
        async with in_background(run_all(outlets, feed, address.partitions)):
            yield outlets
