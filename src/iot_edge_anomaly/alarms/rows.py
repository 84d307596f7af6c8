"""What scored rows do to an alarm book: delays and dead bands make noise at a threshold one alarm and not many.

The quiet case costs a few comparisons of whole columns, however many limits there are; only a condition that holds
somewhere, or of which the book remembers something, is walked row by row.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook, Finding, apply, raise_alarm, release_alarm, return_alarm
from iot_edge_anomaly.alarms.feedback import with_alarm, with_height
from iot_edge_anomaly.alarms.reasons import limit_reason, score_reason, stuck_reason
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Contributor, Origin, Priority

SCORE = "score"
LIMIT = "limit:"
STUCK = "stuck:"
RETURN_BELOW = 0.9
"""A score alarm returns when the score has been below this share of its level for the off-delay."""

URGENT_SCORE = 2.0
MOST_CONTRIBUTORS = 5
LIMIT_ON_DELAY_ROWS = 1

_IN_SIGHT = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED)


TellOrigin = Callable[[NDArray[np.float64], int], Origin]
"""Of an odd row (k,) and the number of the sensor that is suspected: is the sensor at fault, or the machine?"""


def untold(_row: NDArray[np.float64], _suspect: int) -> Origin:
    """Claim nothing, as where no detector can tell."""
    return Origin.UNTOLD


class ScoredRows(NamedTuple):
    """Rows of one asset, n by k, as `core.outcomes.Rows` describes them; columns in the order of the settings' texts.

    `raw` (n, k): as read, before what is stuck was taken out. `stuck_seconds` (n, k): 0 where a sensor moves; None: not
    watched. `judge_score`: the asset is calibrated. `origin`: asked at the row at which a score alarm is raised.
    `season`: by which clock the model knows what is usual, for the words of an alarm; empty: by none.
    """

    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    score: NDArray[np.float64]
    expected: NDArray[np.float64]
    contribution: NDArray[np.float64]
    raw: NDArray[np.float64]
    stuck_seconds: NDArray[np.float64] | None
    judge_score: bool
    model: str
    origin: TellOrigin = untold
    season: str = ""


class _Watch(NamedTuple):
    """One condition over all rows: where it holds, where it is over, and how to tell why.

    While the alarm of `outer_condition` is in sight it says the same more gravely, and this one is suppressed.
    """

    condition: str
    on: NDArray[np.bool_]
    off: NDArray[np.bool_]
    on_delay: int
    why: Callable[[int], Finding]
    outer_condition: str = ""


def on_rows(book: AlarmBook, key: AssetKey, rows: ScoredRows, settings: AlarmSettings) -> list[AlarmEvent]:
    """Let rows raise and return alarms. The result does not depend on how rows are cut into calls."""
    awake = [*_limits(book, rows, settings), *_stuck(book, rows, settings), *_score(book, rows, settings)]
    if book.alarms:
        awake += _unwatched(book, rows, {watch.condition for watch in awake})
    if not awake:
        return []
    events: list[AlarmEvent] = []
    for row, time_ns in enumerate(rows.time_ns.tolist()):
        said = [event for watch in awake for event in _step(book, key, watch, row, time_ns, settings)]
        _remember(book, rows, row, said)
        events += said
    book.forget_settled()
    return events


def _remember(book: AlarmBook, rows: ScoredRows, row: int, said: Sequence[AlarmEvent]) -> None:
    """Keep in mind which score alarms were raised and how high they went, so that a verdict can move the level."""
    for event in said:
        if event.condition == SCORE and event.event == Event.RAISE:
            book.verdicts = with_alarm(book.verdicts, event.alarm_id, event.score)
    alarm = book.alarms.get(SCORE)
    if alarm is not None and alarm.is_active and rows.judge_score:
        book.verdicts = with_height(book.verdicts, alarm.alarm_id, float(rows.score[row]))


def _step(
    book: AlarmBook, key: AssetKey, watch: _Watch, row: int, time_ns: int, settings: AlarmSettings
) -> list[AlarmEvent]:
    alarm = book.alarm(watch.condition)
    outer = book.alarms.get(watch.outer_condition)
    is_outdone = outer is not None and outer.state in _IN_SIGHT
    events: list[AlarmEvent] = []
    if is_outdone:
        events += apply(alarm, Event.SUPPRESS, time_ns, settings)
    starts, ends = (watch.off, watch.on) if alarm.is_active else (watch.on, watch.off)
    if starts[row]:
        alarm.run += 1
    elif ends[row]:
        alarm.run = 0
    if alarm.is_active and alarm.run >= settings.off_delay_rows:
        events += return_alarm(book, watch.condition, time_ns, settings)
    elif not alarm.is_active and alarm.run >= watch.on_delay:
        if is_outdone and alarm.state is AlarmState.NORMAL:
            alarm.run = 0
        else:
            events += raise_alarm(book, key, watch.condition, time_ns, watch.why(row), settings)
    if alarm.state is AlarmState.SUPPRESSED and not is_outdone:
        events += release_alarm(alarm, time_ns, settings)
    return events


def _awake(book: AlarmBook, conditions: Sequence[str], is_on: NDArray[np.bool_]) -> list[int]:
    """Return the numbers of the conditions that hold in some row, or of which the book remembers something."""
    holds: NDArray[np.bool_] = np.any(is_on, axis=0)
    if not book.alarms:
        return np.flatnonzero(holds).tolist()
    return [number for number, name in enumerate(conditions) if holds[number] or name in book.alarms]


def _limits(book: AlarmBook, rows: ScoredRows, settings: AlarmSettings) -> Iterator[_Watch]:
    columns = settings.limit_columns
    if not columns.limits:
        return
    excess = columns.excess(rows.values)
    is_beyond = excess > 0
    for number in _awake(book, columns.conditions, is_beyond):
        limit, values = columns.limits[number], rows.values[:, columns.sensor[number]]

        def why(row: int, limit=limit, values=values) -> Finding:  # type: ignore[no-untyped-def]  # bound here and now
            value = float(values[row])
            contributor = Contributor(limit.sensor, 1.0, value, limit.value, settings.text_of(limit.sensor).unit)
            reason = limit_reason(limit, value, settings)
            return Finding(reason, limit.priority, value, limit.value, (contributor,))

        off = excess[:, number] <= -columns.deadband[number]
        outer = limit.outer_condition if limit.outer_condition in columns.conditions else ""
        yield _Watch(limit.condition, is_beyond[:, number], off, LIMIT_ON_DELAY_ROWS, why, outer)


def _stuck(book: AlarmBook, rows: ScoredRows, settings: AlarmSettings) -> Iterator[_Watch]:
    if rows.stuck_seconds is None:
        return
    seconds = rows.stuck_seconds
    is_stuck = seconds > 0
    if not book.alarms and not is_stuck.any():
        return
    for number in _awake(book, [f"{STUCK}{sensor}" for sensor in rows.sensors], is_stuck):
        sensor = rows.sensors[number]

        def why(row: int, number=number, sensor=sensor) -> Finding:  # type: ignore[no-untyped-def]  # bound here and now
            value, held = float(rows.raw[row, number]), float(seconds[row, number])
            return Finding(stuck_reason(sensor, value, held, settings), Priority.LOW)

        moves = ~is_stuck[:, number] & np.isfinite(rows.values[:, number])
        yield _Watch(f"{STUCK}{sensor}", is_stuck[:, number], moves, 1, why)


def _score(book: AlarmBook, rows: ScoredRows, settings: AlarmSettings) -> Iterator[_Watch]:
    if not rows.judge_score:
        return
    level = book.verdicts.level
    is_odd = rows.score > level

    def why(row: int) -> Finding:
        return msgspec.structs.replace(_why_odd(rows, row, settings), threshold=level)

    if SCORE in book.alarms or is_odd.any():
        yield _Watch(SCORE, is_odd, rows.score < RETURN_BELOW * level, settings.on_delay_rows, why)


def _unwatched(book: AlarmBook, rows: ScoredRows, watched: set[str]) -> list[_Watch]:
    """Return watches that let alarms end whose limit was taken out of the configuration, or that nobody judges now."""
    nowhere, everywhere = np.zeros(len(rows.time_ns), bool), np.ones(len(rows.time_ns), bool)
    gone = [name for name in book.alarms if name not in watched and name.startswith((LIMIT, STUCK, SCORE))]
    return [_Watch(name, nowhere, everywhere, 1, _never) for name in gone]


def _never(_row: int) -> Finding:
    raise AssertionError("a condition that holds nowhere is not raised")


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
    named = contributors[0].sensor if contributors else ""
    others = [sensor for number, sensor in enumerate(rows.sensors) if sensor != named and _is_there(rows, row, number)]
    score = float(rows.score[row])
    priority = Priority.HIGH if score > URGENT_SCORE else Priority.MEDIUM
    origin = rows.origin(rows.values[row], int(order[0])) if contributors else Origin.UNTOLD
    reason = score_reason(contributors, others, settings, origin, rows.season)
    return Finding(reason, priority, score, 1.0, contributors, rows.model, origin)


def _is_there(rows: ScoredRows, row: int, number: int) -> bool:
    """Tell whether a sensor has a value that others can be predicted from."""
    return bool(np.isfinite(rows.values[row, number]) and np.isfinite(rows.expected[row, number]))
