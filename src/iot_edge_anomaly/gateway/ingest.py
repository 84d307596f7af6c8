"""`POST /v1/readings`: take readings in, and answer once they are durable."""

import msgspec

from iot_edge_anomaly.connectors.payload import decode_http
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.gateway.route import JSON, MESSAGE_PACK, Call, Raw, unsupported
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.gateway.telemetry import INTAKE, READINGS, SET_ASIDE
from iot_edge_anomaly.security.principal import ForbiddenError


class Payload(msgspec.Struct, frozen=True):
    """Readings of one asset. A row has a `time` (ISO 8601, or epoch in s or ms) and a value a sensor, null if missing.

    (source, epoch, sequence) makes a repeat count once; without them a reading is known by its sensor and time.
    """

    asset: str
    rows: list[dict[str, float | str | bool | None]]
    source: str = "http"
    epoch: int | str = 0
    sequence: int | None = None


class NotTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record that was put aside: stored and listed, but no reading. `payload` counts in a list of payloads."""

    row: int
    sensor: str
    reason: str
    payload: int = 0


class Receipt(msgspec.Struct, frozen=True):
    """What became durable. `accepted` counts values, those set aside among them.

    `duplicate`: this gateway has stored all of it before. False may still be a repeat, which the pipeline finds.
    """

    accepted: int
    duplicate: bool
    set_aside: tuple[NotTaken, ...]


async def take_readings(services: Services, call: Call) -> Receipt:
    """Store what a request brings."""
    raw: Raw = call.body
    if raw.media_type != JSON and raw.media_type not in MESSAGE_PACK:
        raise unsupported(raw.media_type)
    batches = decode_http(raw.content, raw.media_type, received_ns=call.received_ns)
    for batch in batches:
        if not call.principal.reaches(batch.tenant):
            raise ForbiddenError(f"{call.principal.name!r} has no access to tenant {batch.tenant!r}")
    duplicate = all(map(services.recent.has, batches))
    try:
        services.require_bus()
        await services.intake.accept(batches)
    except UnavailableError as error:
        INTAKE.began(why=str(error))
        raise
    INTAKE.ended()
    for batch in batches:
        services.recent.add(batch)
    receipt = _receipt(batches, duplicate)
    READINGS.emit(receipt.accepted)
    return receipt


def _receipt(batches: tuple[Batch, ...], duplicate: bool) -> Receipt:
    not_taken = tuple(
        NotTaken(record.row, record.sensor, record.reason, number)
        for number, batch in enumerate(batches)
        for record in batch.set_aside
    )
    accepted = sum(batch.accepted for batch in batches)
    if not_taken:
        SET_ASIDE.emit(sum(record.count for batch in batches for record in batch.set_aside))
    return Receipt(accepted, duplicate, not_taken)
