"""The role that keeps the view database; apart from the other roles, because it loads SQLAlchemy."""

from pathlib import Path

from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.worker import stop_event
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.storage.database import view_database
from iot_edge_anomaly.views.keep import keep_records
from iot_edge_anomaly.views.promise_watch import watch_promises
from iot_edge_anomaly.views.settings import READER


async def run_views(settings: Settings, data_dir: Path) -> None:
    """Write what is committed into the view database until told to stop."""
    address = read_address(data_dir)
    stop = stop_event()
    async with (
        connect(address, READER) as bus,
        beside(
            keep_snapshot(READER, metrics_folder(data_dir)),
            keep_records(bus, address.partitions, view_database(data_dir), settings.views.keep_days),
            watch_promises(bus, view_database(data_dir)),
        ),
    ):
        await stop.wait()
