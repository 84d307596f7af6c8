"""The worker role: runs the pipeline over every partition that it can own, and keeps the store in bounds."""

import asyncio
import signal
from pathlib import Path

from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.janitor import keep_in_bounds
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.bus.retention import Retention
from iot_edge_anomaly.bus.settings import BusAddress, read_address
from iot_edge_anomaly.bus.ticks import Quiet, tick
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.resilience.beside import beside

ROLE = "worker"


async def run_worker(settings: Settings, data_dir: Path) -> None:
    """Work until SIGTERM or SIGINT, then checkpoint. Raises FatalError when a stored state cannot be read."""
    address = read_address(data_dir)
    stop = stop_event()
    async with connect(address, ROLE) as bus, beside(keep_snapshot(ROLE, metrics_folder(data_dir))):
        await process_partitions(bus, address, settings, stop)


async def process_partitions(bus: Bus, address: BusAddress, settings: Settings, stop: asyncio.Event) -> None:
    """Run the pipeline over all partitions until told to stop."""
    retention = Retention(settings.bus.capsule_days, settings.bus.capsule_bytes)
    async with (
        beside(keep_in_bounds(bus, address.partitions, retention)),
        open_intake(bus, address.partitions) as intake,
        asyncio.TaskGroup() as tasks,
    ):
        for partition in range(address.partitions):
            quiet = Quiet(settings.ticks.idle_seconds)
            processor: Processor[PartitionState] = Processor(bus, partition, AnomalyPipeline(), unpack, quiet.observe)
            tasks.create_task(processor.run(stop))
            if settings.ticks.seconds > 0:
                tasks.create_task(
                    tick(processor, quiet, partition, intake, SystemClock(), settings.ticks.seconds, stop)
                )


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    return stop
