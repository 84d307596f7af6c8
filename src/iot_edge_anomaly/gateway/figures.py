"""`GET /v1/budget` and `/v1/days`: how assets did, in figures kept for months."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.gateway.alarms import Judgement, Phrase, judgement_of
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.pipeline.settings import promised_per_week
from iot_edge_anomaly.views.budget import BudgetLine, BudgetState, budget
from iot_edge_anomaly.views.promise import WEEKS, Promise, PromiseState, promises
from iot_edge_anomaly.views.records import DAY_NS, AssetDay


class BudgetOf(msgspec.Struct, frozen=True):
    """Over how many weeks up to now, and of which assets: all whose full names begin with these levels."""

    weeks: Annotated[int, msgspec.Meta(ge=1, le=520)] = 4
    prefix: Phrase = ""


class BudgetFigures(msgspec.Struct, frozen=True):
    """Promised against realised false alarms; rates are a week, of all assets together a week and asset.

    `wrong_per_week` counts learned alarms judged wrong, `most_per_week` those that nobody judged too; `low_per_week` to
    `high_per_week` is what so few counts leave possible (95 %, exact Poisson). Null: nothing was watched yet.
    """

    asset: str
    state: BudgetState
    words: str
    promised_per_week: float
    allowed: float
    watched_seconds: float
    right: int
    wrong: int
    unjudged: int
    wrong_per_week: float | None
    most_per_week: float | None
    low_per_week: float | None
    high_per_week: float | None


class Feedback(msgspec.Struct, frozen=True):
    """A verdict that moved the figures."""

    alarm: str
    asset: str
    raised_ns: int
    verdict: Judgement


class PromiseFigures(msgspec.Struct, frozen=True):
    """Whether the promise to an asset holds: score alarms that nobody called right, since its model is in use.

    Of the last four weeks, however many were asked for. Broken: so many, or more, come up with a chance below 1 %.
    """

    asset: str
    state: PromiseState
    words: str
    promised_per_week: float
    watched_seconds: float
    alarms: int


class BudgetAnswer(msgspec.Struct, frozen=True):
    """The false-alarm budget of all assets together (`asset` is empty there), of each, and the verdicts behind it."""

    fleet: BudgetFigures
    assets: tuple[BudgetFigures, ...]
    feedback: tuple[Feedback, ...]
    promises: tuple[PromiseFigures, ...]


class DaysOf(msgspec.Struct, frozen=True):
    """How many days up to today (UTC), and of which assets: all whose full names begin with these levels."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3_660)] = 30
    prefix: Phrase = ""


class Day(msgspec.Struct, frozen=True):
    """One asset on one day (UTC): rows by quality, values by what became of them, alarms raised."""

    asset: str
    date: str
    good: int
    corrected: int
    missing: int
    rejected: int
    accepted: int
    used: int
    duplicate: int
    late: int
    set_aside: int
    alarms: int


class Days(msgspec.Struct, frozen=True):
    """Days in order of asset and date; a day on which nothing happened is not listed."""

    days: tuple[Day, ...]


async def read_budget(services: Services, call: Call) -> BudgetAnswer:
    """Hold the learned alarms of some weeks against the false-alarm budget."""
    asked: BudgetOf = call.parameters
    until = call.received_ns
    since = until - asked.weeks * 7 * DAY_NS
    records, tenants = services.records, call.principal.tenants

    def promised(key: AssetKey) -> float:
        return promised_per_week(services.plant.settings(key))

    learned = await asyncio.to_thread(records.learned, tenants, since, until, asked.prefix)
    judged = await asyncio.to_thread(records.judged, tenants, since, until, asked.prefix)
    lately = (tenants, until - WEEKS * 7 * DAY_NS, until, asked.prefix)
    held = promises(await asyncio.to_thread(records.learned_since_model, *lately), promised)
    found = budget(learned, promised)
    feedback = (Feedback(each.alarm_id, str(each.key), each.raised_ns, judgement_of(each.verdict)) for each in judged)
    lines = tuple(_line(line) for line in found.assets)
    return BudgetAnswer(_line(found.fleet), lines, tuple(feedback), tuple(map(_promise, held.values())))


async def read_days(services: Services, call: Call) -> Days:
    """List the days of assets."""
    asked: DaysOf = call.parameters
    since_day = call.received_ns // DAY_NS - asked.days + 1
    found = await asyncio.to_thread(services.records.days, call.principal.tenants, since_day, asked.prefix)
    return Days(tuple(_day(each) for each in found))


def _line(of: BudgetLine) -> BudgetFigures:
    low, high = of.interval or (None, None)
    return BudgetFigures(
        "" if of.key is None else str(of.key),
        of.state,
        of.words,
        of.promised_per_week,
        of.allowed,
        of.watched_seconds,
        of.right,
        of.wrong,
        of.unjudged,
        of.wrong_per_week,
        of.most_per_week,
        low,
        high,
    )


def _promise(of: Promise) -> PromiseFigures:
    return PromiseFigures(str(of.key), of.state, of.words, of.promised_per_week, of.watched_seconds, of.alarms)


def _day(of: AssetDay) -> Day:
    date = datetime.fromtimestamp(of.day * DAY_NS / 1e9, UTC).date().isoformat()
    counts = (of.accepted, of.used, of.duplicate, of.late, of.set_aside, of.raised)
    return Day(str(of.key), date, *of.rows, *counts)
