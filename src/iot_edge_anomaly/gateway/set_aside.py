"""What was set aside over HTTP: listed, mended and handed in again, dismissed."""

from typing import Annotated

import msgspec

from iot_edge_anomaly.gateway.route import Call, Route
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.operations.set_aside import LONGEST_PAYLOAD, Aside, Fate, SetAsideDesk
from iot_edge_anomaly.security.principal import Permission
from iot_edge_anomaly.views.plant import MOST_SET_ASIDE


class Newest(msgspec.Struct, frozen=True):
    """How many records at most."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_SET_ASIDE)] = 200


class SetAsideRecord(msgspec.Struct, frozen=True):
    """Something that was no reading. `raw` are its first bytes, in base64; `count` how many values it stands for.

    `time_ns` is when it was worked in; `fate` what somebody did with it.
    """

    id: str
    asset: str
    source: str
    row: int
    sensor: str
    reason: str
    count: int
    raw: bytes
    time_ns: int
    fate: Fate


class SetAsideRecords(msgspec.Struct, frozen=True):
    """What was set aside, the newest first."""

    set_aside: tuple[SetAsideRecord, ...]


class NamedRecord(msgspec.Struct, frozen=True):
    """Which record: its id, as the list tells it."""

    id: str


class Mended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the record should have been: a payload as MQTT takes it, a `time` in each row, and the asset it is of."""

    payload: Annotated[str, msgspec.Meta(max_length=LONGEST_PAYLOAD)]
    asset: Annotated[str, msgspec.Meta(max_length=400)]


class HandedIn(msgspec.Struct, frozen=True):
    """The readings are stored, as `accepted` values of a source that says who handed them in."""

    asset: str
    source: str
    accepted: int


class Dismissed(msgspec.Struct, frozen=True):
    """The record needs nobody any more."""

    id: str
    by: str


async def list_set_aside(services: Services, call: Call) -> SetAsideRecords:
    """List what was set aside."""
    asked: Newest = call.parameters
    records = await _desk(services).records(call.principal)
    return SetAsideRecords(tuple(map(_record, records[: asked.limit])))


async def reinject(services: Services, call: Call) -> HandedIn:
    """Hand in what was made of a record."""
    mended: Mended = call.body
    batch = await _desk(services).reinject(call.principal, call.parameters.id, mended.payload, mended.asset)
    return HandedIn(str(batch.key), batch.source, batch.accepted)


async def dismiss(services: Services, call: Call) -> Dismissed:
    """Say that a record needs nobody any more."""
    await _desk(services).dismiss(call.principal, [call.parameters.id])
    return Dismissed(call.parameters.id, call.principal.name)


def _desk(services: Services) -> SetAsideDesk:
    """Return the desk, of a plant that is known as it is now."""
    _ = services.plant
    return services.desk


def _record(one: Aside) -> SetAsideRecord:
    record = one.record
    return SetAsideRecord(
        one.id,
        str(one.key),
        one.source,
        record.row,
        record.sensor,
        record.reason,
        record.count,
        record.raw,
        one.at_ns,
        one.fate,
    )


SET_ASIDE = (
    Route(
        "GET",
        "/v1/set-aside",
        "What came in and was no reading, the newest first.",
        list_set_aside,
        SetAsideRecords,
        parameters=Newest,
    ),
    Route(
        "POST",
        "/v1/set-aside/{id}/reinject",
        "Hand in what was made of a record, as readings of their own.",
        reinject,
        HandedIn,
        Permission.CONFIGURE,
        parameters=NamedRecord,
        body=Mended,
        status=202,
    ),
    Route(
        "POST",
        "/v1/set-aside/{id}/dismiss",
        "Say that a record needs nobody any more.",
        dismiss,
        Dismissed,
        Permission.CONFIGURE,
        parameters=NamedRecord,
    ),
)
