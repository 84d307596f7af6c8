"""`GET /v1/alarms`: what was raised, and how it stands."""

import sys
from typing import Annotated, Literal

import msgspec

from iot_edge_anomaly.core.outcomes import AlarmState, Contributor, Priority
from iot_edge_anomaly.gateway.find import find_asset
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.views.plant import AlarmView

MOST_ANSWERED = 2_000


class AlarmsOf(msgspec.Struct, frozen=True):
    """How many at most, whether those that are over too, and of which asset (none: of all)."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ANSWERED)] = 200
    state: Literal["open", "all"] = "open"
    asset: str = ""


class Part(msgspec.Struct, frozen=True):
    """One sensor's part in an alarm: its share (0 to 1), what it read and what was expected (null: not known)."""

    sensor: str
    share: float
    actual: float | None
    expected: float | None
    unit: str


class Alarm(msgspec.Struct, frozen=True):
    """One alarm, with what it was raised for; `state`, `changed_ns`, `by` and `note` are those of its last change.

    `condition` is `score`, `limit:<sensor>:<HH|H|L|LL>`, `silence:<sensor>` or `stuck:<sensor>`.
    """

    id: str
    incident: str
    asset: str
    condition: str
    state: AlarmState
    priority: Priority
    reason: str
    raised_ns: int
    changed_ns: int
    score: float
    threshold: float
    contributors: tuple[Part, ...]
    model: str
    by: str
    note: str


class Alarms(msgspec.Struct, frozen=True):
    """Alarms of your tenants, the newest first."""

    alarms: tuple[Alarm, ...]


async def list_alarms(services: Services, call: Call) -> Alarms:
    """List alarms."""
    asked: AlarmsOf = call.parameters
    if asked.asset:
        found = services.plant.recent_alarms(find_asset(services, call, asked.asset).key, sys.maxsize)
    else:
        found = services.plant.alarms(sys.maxsize)
    chosen = [
        alarm for alarm in found if call.principal.reaches(alarm.key.tenant) and (asked.state == "all" or alarm.is_open)
    ]
    return Alarms(tuple(_alarm(alarm) for alarm in chosen[: asked.limit]))


def _alarm(view: AlarmView) -> Alarm:
    raised, latest = view.raised, view.latest
    return Alarm(
        id=latest.alarm_id,
        incident=latest.incident_id,
        asset=str(view.key),
        condition=raised.condition,
        state=latest.after,
        priority=latest.priority,
        reason=raised.reason,
        raised_ns=raised.time_ns,
        changed_ns=latest.time_ns,
        score=raised.score,
        threshold=raised.threshold,
        contributors=tuple(_part(contributor) for contributor in raised.contributors),
        model=raised.model,
        by=latest.by,
        note=latest.note,
    )


def _part(of: Contributor) -> Part:
    return Part(of.sensor, of.share, of.actual, of.expected, of.unit)
