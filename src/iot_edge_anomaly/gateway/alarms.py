"""`GET /v1/alarms`: what was raised, and how it stands: the open ones from memory, all of months from the database."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.outcomes import AlarmState, Contributor, Priority
from iot_edge_anomaly.gateway.find import find_alarm, find_asset
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord, Verdict

MOST_ANSWERED = 1_000
LONGEST = 1_000
Phrase = Annotated[str, msgspec.Meta(max_length=LONGEST)]
Time = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
_OPEN = frozenset(AlarmState) - {AlarmState.NORMAL}


class AlarmsOf(msgspec.Struct, frozen=True):
    """Which alarms, and how many at most.

    `state`: `open`, `all` or one state; `asset`: of one; `prefix`: of all whose full names begin with these levels;
    `words`: parts of asset, reason or id, all of which must occur; `since_ns` and `until_ns`: raised then; `before`:
    `next` of the page before.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ANSWERED)] = 200
    state: Literal[
        "open",
        "all",
        "normal",
        "unacknowledged",
        "acknowledged",
        "returned",
        "shelved",
        "suppressed",
        "out-of-service",
    ] = "open"
    asset: str = ""
    prefix: Phrase = ""
    words: Phrase = ""
    priority: Literal["", "low", "medium", "high"] = ""
    verdict: Literal["", "none", "right", "wrong"] = ""
    since_ns: Time = 0
    until_ns: Time = 1 << 62
    before: Phrase = ""


class NamedAlarm(msgspec.Struct, frozen=True):
    """Which alarm: its id."""

    id: str


class Part(msgspec.Struct, frozen=True):
    """One sensor's part in an alarm: its share (0 to 1), what it read and what was expected (null: not known)."""

    sensor: str
    share: float
    actual: float | None
    expected: float | None
    unit: str


class Judgement(msgspec.Struct, frozen=True):
    """What somebody said of an alarm."""

    right: bool
    by: str
    note: str
    at_ns: int


class Alarm(msgspec.Struct, frozen=True):
    """One alarm, with what it was raised for; `state`, `changed_ns`, `by` and `note` are those of its last change.

    `condition` is `score`, `limit:<sensor>:<HH|H|L|LL>`, `silence:<sensor>` or `stuck:<sensor>`. `verdict`: the latest
    one; null where nobody gave one, and of open alarms that are listed without any other filter.
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
    verdict: Judgement | None = None


class Alarms(msgspec.Struct, frozen=True):
    """Alarms of your tenants, the newest first; `next` asks for those behind them, empty: there are none."""

    alarms: tuple[Alarm, ...]
    next: str = ""


class Transition(msgspec.Struct, frozen=True):
    """One thing that happened to an alarm, who did it and why; `by` is empty where nobody did."""

    event: str
    before: AlarmState
    after: AlarmState
    time_ns: int
    priority: Priority
    by: str
    note: str


class AlarmDetail(msgspec.Struct, frozen=True):
    """One alarm with the newest of what happened to it, in order, and all that was ever said of it.

    `verdicts` null: not known now, since the database cannot be read.
    """

    alarm: Alarm
    transitions: tuple[Transition, ...]
    verdicts: tuple[Judgement, ...] | None


async def list_alarms(services: Services, call: Call) -> Alarms:
    """List alarms."""
    asked: AlarmsOf = call.parameters
    key = find_asset(services, call, asked.asset).key if asked.asset else None
    if asked == AlarmsOf(limit=asked.limit, asset=asked.asset):
        found = services.plant.alarms(sys.maxsize) if key is None else services.plant.recent_alarms(key, sys.maxsize)
        open_ones = [alarm for alarm in found if call.principal.reaches(alarm.key.tenant) and alarm.is_open]
        answered = open_ones[: asked.limit]
        return Alarms(tuple(map(alarm_of, answered)), _next(answered[-1]) if len(open_ones) > asked.limit else "")
    wanted = AlarmFilter(
        call.principal.tenants,
        asked.words,
        str(key or asked.prefix),
        _states(asked.state),
        frozenset([Priority(asked.priority)] if asked.priority else []),
        asked.verdict,
        asked.since_ns,
        asked.until_ns,
        asked.limit,
        _place(asked.before),
    )
    return _page(await asyncio.to_thread(services.records.alarms, wanted), asked.limit)


async def read_alarm(services: Services, call: Call) -> AlarmDetail:
    """Return one alarm with its history."""
    live = await find_alarm(services, call, call.parameters.id)
    name = live.raised.alarm_id
    try:
        record = await asyncio.to_thread(services.records.alarm, name) or AlarmRecord(live)
        verdicts = await asyncio.to_thread(services.records.verdicts, name)
    except UnavailableError:
        return AlarmDetail(alarm_of(live), _transitions(live), None)
    return AlarmDetail(
        alarm_of(record.alarm, record.verdict), _transitions(record.alarm), tuple(map(judgement_of, verdicts))
    )


def alarm_of(view: AlarmView, verdict: Verdict | None = None) -> Alarm:
    """Return an alarm as it is answered."""
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
        verdict=None if verdict is None else judgement_of(verdict),
    )


def _transitions(of: AlarmView) -> tuple[Transition, ...]:
    return tuple(
        Transition(each.event, each.before, each.after, each.time_ns, each.priority, each.by, each.note)
        for each in of.transitions
    )


def judgement_of(verdict: Verdict) -> Judgement:
    """Return a verdict as it is answered."""
    return Judgement(verdict.was_right, verdict.by, verdict.note, verdict.at_ns)


def _page(found: Sequence[AlarmRecord], limit: int) -> Alarms:
    answered = tuple(alarm_of(record.alarm, record.verdict) for record in found)
    return Alarms(answered, _next(found[-1].alarm) if len(found) == limit else "")


def _next(last: AlarmView) -> str:
    return f"{last.raised.time_ns}:{last.raised.alarm_id}"


def _states(named: str) -> frozenset[AlarmState]:
    if named == "all":
        return frozenset()
    return _OPEN if named == "open" else frozenset([AlarmState(named)])


def _place(before: str) -> tuple[int, str] | None:
    if not before:
        return None
    time_ns, colon, alarm_id = before.partition(":")
    if not colon or not (time_ns.isascii() and time_ns.removeprefix("-").isdigit() and len(time_ns) <= 20):
        raise RejectedError(f"before={before[:80]!r} is no place in a list; take `next` of the page before")
    return int(time_ns), alarm_id


def _part(of: Contributor) -> Part:
    return Part(of.sensor, of.share, of.actual, of.expected, of.unit)
