"""`GET /v1/status`: what runs, and how far each partition has come."""

import msgspec

from iot_edge_anomaly import __version__
from iot_edge_anomaly.bus.progress import Progress, progress
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.observability.health import Check
from iot_edge_anomaly.resilience.supervise import ProcessInfo
from iot_edge_anomaly.views.progress import ViewStatus, views_of


class Status(msgspec.Struct, frozen=True):
    """What runs here. `processes`: empty where no supervisor keeps a table; `views`: where there is no database."""

    version: str
    processes: tuple[ProcessInfo, ...]
    partitions: tuple[Progress, ...]
    views: tuple[ViewStatus, ...]
    checks: tuple[Check, ...]


async def status(services: Services, _call: Call) -> Status:
    """Tell what runs and how far each partition has come."""
    partitions = await progress(services.bus, services.address.partitions)
    views = await views_of(services.bus, services.records, services.address.partitions)
    return Status(__version__, _processes(services), tuple(partitions), views, services.checks())


def _processes(services: Services) -> tuple[ProcessInfo, ...]:
    table = services.data_dir / "run" / "processes.json"
    return msgspec.json.decode(table.read_bytes(), type=tuple[ProcessInfo, ...]) if table.exists() else ()
