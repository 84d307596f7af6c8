"""What scored rows do to an alarm book: delays and dead bands make noise at a threshold one alarm and not many."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook, Finding, raise_alarm, return_alarm
from iot_edge_anomaly.alarms.reasons import limit_reason, score_reason, stuck_reason
from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Contributor, Priority

SCORE = "score"
RETURN_BELOW = 0.9
"""A score alarm returns when the score has been below this for the off-delay."""

MOST_CONTRIBUTORS = 5
LIMIT_ON_DELAY_ROWS = 1


class ScoredRows(NamedTuple):
    """Rows of one asset, n by k, as `core.outcomes.Rows` describes them. `stuck_for` holds seconds, NaN: not stuck."""

    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    score: NDArray[np.float64]
    expected: NDArray[np.float64]
    contribution: NDArray[np.float64]
    stuck_seconds: NDArray[np.float64] | None
    judge_score: bool
    model: str


class _Watch(NamedTuple):
    """One condition over all rows: where it holds, where it is over, and how to tell why."""

    condition: str
    on: NDArray[np.bool_]
    off: NDArray[np.bool_]
    on_delay: int
    why: Callable[[int], Finding]


def on_rows(book: AlarmBook, key: AssetKey, rows: ScoredRows, settings: AlarmSettings) -> list[AlarmEvent]:
    """Let rows raise and return alarms. The result does not depend on how rows are cut into calls."""
    awake = [watch for watch in _watches(rows, settings) if _is_awake(book, watch)]
    events: list[AlarmEvent] = []
    if not awake:
        return events
    for row, time_ns in enumerate(rows.time_ns.tolist()):
        for watch in awake:
            events += _step(book, key, watch, row, time_ns, settings)
    return events


def _is_awake(book: AlarmBook, watch: _Watch) -> bool:
    known = book.alarms.get(watch.condition)
    return bool(watch.on.any()) or (known is not None and (known.is_active or known.run > 0))


def _step(
    book: AlarmBook, key: AssetKey, watch: _Watch, row: int, time_ns: int, settings: AlarmSettings
) -> list[AlarmEvent]:
    alarm = book.alarm(watch.condition)
    if alarm.is_active:
        if watch.off[row]:
            alarm.run += 1
        elif watch.on[row]:
            alarm.run = 0
        if alarm.run >= settings.off_delay_rows:
            return return_alarm(book, watch.condition, time_ns, settings)
        return []
    if watch.on[row]:
        alarm.run += 1
    elif watch.off[row]:
        alarm.run = 0
    if alarm.run >= watch.on_delay:
        return raise_alarm(book, key, watch.condition, time_ns, watch.why(row), settings)
    return []


def _watches(rows: ScoredRows, settings: AlarmSettings) -> Iterator[_Watch]:
    index = {sensor: number for number, sensor in enumerate(rows.sensors)}
    for limit in settings.limits:
        if limit.sensor in index:
            yield _limit_watch(rows, index[limit.sensor], limit, settings)
    if rows.stuck_seconds is not None:
        for number, sensor in enumerate(rows.sensors):
            yield _stuck_watch(rows, number, sensor, settings)
    if rows.judge_score:
        yield _Watch(
            SCORE,
            rows.score > 1.0,
            rows.score < RETURN_BELOW,
            settings.on_delay_rows,
            lambda row: _why_odd(rows, row, settings),
        )


def _limit_watch(rows: ScoredRows, number: int, limit: Limit, settings: AlarmSettings) -> _Watch:
    values = rows.values[:, number]
    sign = 1.0 if limit.is_upper else -1.0
    over = sign * (values - limit.value)
    return _Watch(
        limit.condition,
        over > 0,
        over < -limit.deadband,
        LIMIT_ON_DELAY_ROWS,
        lambda row: Finding(
            limit_reason(limit, float(values[row]), settings),
            limit.priority,
            float(values[row]),
            limit.value,
            (Contributor(limit.sensor, 1.0, float(values[row]), limit.value, settings.text_of(limit.sensor).unit),),
        ),
    )


def _stuck_watch(rows: ScoredRows, number: int, sensor: str, settings: AlarmSettings) -> _Watch:
    assert rows.stuck_seconds is not None
    seconds = rows.stuck_seconds[:, number]
    is_stuck = seconds > 0
    return _Watch(
        f"stuck:{sensor}",
        is_stuck,
        ~is_stuck & np.isfinite(rows.values[:, number]),
        1,
        lambda row: Finding(
            stuck_reason(sensor, float(rows.values[row, number]), float(seconds[row]), settings), Priority.LOW
        ),
    )


def _why_odd(rows: ScoredRows, row: int, settings: AlarmSettings) -> Finding:
    share = rows.contribution[row]
    total = float(share.sum()) or 1.0
    order = np.argsort(-share, kind="stable")[:MOST_CONTRIBUTORS]
    contributors = tuple(
        Contributor(
            rows.sensors[number],
            float(share[number]) / total,
            float(rows.values[row, number]),
            float(rows.expected[row, number]),
            settings.text_of(rows.sensors[number]).unit,
        )
        for number in order.tolist()
        if share[number] > 0
    )
    others = [sensor for sensor in rows.sensors if not contributors or sensor != contributors[0].sensor]
    score = float(rows.score[row])
    priority = Priority.HIGH if score > 2.0 else Priority.MEDIUM
    return Finding(score_reason(contributors, others, settings), priority, score, 1.0, contributors, rows.model)
