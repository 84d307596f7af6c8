"""`GET /v1/status`: what runs, and how far each partition has come."""

import msgspec

from iot_edge_anomaly import __version__
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.observability.health import Check
from iot_edge_anomaly.resilience.supervise import ProcessInfo


class PartitionStatus(msgspec.Struct, frozen=True):
    """Sequences in READINGS: of the last message, and of the last one whose outcome is committed."""

    partition: int
    last: int
    committed: int


class Status(msgspec.Struct, frozen=True):
    """What runs here. `processes` is empty where no supervisor keeps a table."""

    version: str
    processes: tuple[ProcessInfo, ...]
    partitions: tuple[PartitionStatus, ...]
    checks: tuple[Check, ...]


async def status(services: Services, _call: Call) -> Status:
    """Tell what runs and how far each partition has come."""
    partitions = [await _partition(services, number) for number in range(services.address.partitions)]
    return Status(__version__, _processes(services), tuple(partitions), services.checks())


async def _partition(services: Services, number: int) -> PartitionStatus:
    newest = await services.bus.last(READINGS, readings_subject(number))
    commit = await services.bus.last(OUTCOMES, outcomes_subject(number))
    return PartitionStatus(
        number,
        0 if newest is None else newest.seq,
        0 if commit is None else decode_commit(commit.data).last_seq,
    )


def _processes(services: Services) -> tuple[ProcessInfo, ...]:
    table = services.data_dir / "run" / "processes.json"
    return msgspec.json.decode(table.read_bytes(), type=tuple[ProcessInfo, ...]) if table.exists() else ()
