"""From stored input to a model: clean and fuse again, as the pipeline did, keep what may be learned from, and fit."""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, Fit, Matrix
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.detection import by_state, linear_model, seasonal, seasonal_model
from iot_edge_anomaly.detection.by_state_model import UNTOLD, States
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.detection.season import Season, SeasonRule, learn_season
from iot_edge_anomaly.detection.usual import learn
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.pipeline.fused import fused_rows
from iot_edge_anomaly.pipeline.operating import StateRule
from iot_edge_anomaly.pipeline.settings import SEASONAL, AssetRule
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack
from iot_edge_anomaly.training.held_out import held_out_errors
from iot_edge_anomaly.training.remarks import remarks

NS = 1_000_000_000
WEEK_SECONDS = 7 * 86_400
LONGEST_STEP = 5
"""Rows further apart than so many usual steps do not follow each other."""


class Lesson(NamedTuple):
    """Rows to learn from, n by k, in time order; `starts` marks rows that do not follow the one before them.

    `states`: which of the sensors tells the operating state. `season`: what the others follow; None: no clock.
    """

    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    rows: Matrix
    starts: NDArray[np.bool_]
    rows_per_week: float
    states: States = UNTOLD
    season: SeasonRule | None = None


def gather(envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...], request: FitRequest) -> Lesson:
    """Return the rows of an asset that the learning gate let through. Raises ValueError when there are none."""
    sensors, time_ns, values = fused_rows(envelopes, key, rules)
    inside, state = np.zeros(len(time_ns), bool), np.full(len(time_ns), np.nan)
    for number, (start, end) in enumerate(request.spans):
        span = slice(np.searchsorted(time_ns, start), np.searchsorted(time_ns, end, "right"))
        inside[span] = True
        state[span] = request.states[number] if request.states else np.nan
    if not inside.any():
        raise ValueError("none of the rows asked for is in the store any more")
    season = SeasonRule(request.season, request.time_zone) if request.season else None
    if not request.state_sensor:
        return lesson_of(sensors, time_ns, values, inside)._replace(season=season)
    states = States(request.state_sensor, request.settle_seconds, request.shifts, request.time_zone)
    told = with_state(sensors, time_ns, values, state, states.sensor)
    return lesson_of(*told, inside)._replace(states=states, season=season)


def told_by(rule: StateRule) -> States:
    """Return what a model is to know of how states are told."""
    return States(rule.sensor, rule.settle_ns / NS, *(rule.shifts or ()))


def with_state(
    sensors: tuple[str, ...], time_ns: NDArray[np.int64], values: Matrix, state: NDArray[np.float64], sensor: str
) -> tuple[tuple[str, ...], NDArray[np.int64], Matrix]:
    """Put the state (n,) into the column of its sensor, which may have told it before the first of these rows only."""
    if sensor not in sensors:
        return (*sensors, sensor), time_ns, np.column_stack((values, state))
    values = values.copy()
    values[:, sensors.index(sensor)] = state
    return sensors, time_ns, values


def lesson_of(
    sensors: tuple[str, ...],
    time_ns: NDArray[np.int64],
    values: Matrix,
    may_learn: NDArray[np.bool_],
    longest_step: float = LONGEST_STEP,
) -> Lesson:
    """Choose of n rows those that may be learned from. Raises ValueError when there are none."""
    kept = np.flatnonzero(may_learn)
    if not len(kept):
        raise ValueError("there is no row to learn from")
    steps = np.diff(time_ns[kept])
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if len(forward) else NS
    starts = np.concatenate(([True], (np.diff(kept) > 1) | (steps <= 0) | (steps > longest_step * usual)))
    return Lesson(sensors, time_ns[kept], values[kept], starts, WEEK_SECONDS * NS / usual)


def learned(lesson: Lesson, detector: str, false_alarms_per_week: float) -> Detector:
    """Fit a detector. Raises ValueError, ConfigError."""
    season, rest = without_season(lesson)
    fit = method(detector, lesson.states)
    if season is not None:
        fit = partial(seasonal.fit, season=season, inner=fit, state_sensor=lesson.states.sensor)
    return fit(
        rest,
        lesson.sensors,
        rows_per_week=lesson.rows_per_week,
        false_alarms_per_week=false_alarms_per_week,
        starts=lesson.starts,
    )


def errors_of(lesson: Lesson, detector: str) -> Matrix:
    """Return how far a model errs on rows of a lesson that it has not learned from; see `held_out_errors`."""
    _, rest = without_season(lesson)
    fit = method(detector, lesson.states)
    return held_out_errors(fit, rest, lesson.sensors, lesson.rows_per_week, lesson.starts)


def without_season(lesson: Lesson) -> tuple[Season | None, Matrix]:
    """Return the season, if one is to be learned, and what it leaves of the rows. Raises ValueError."""
    if lesson.season is None:
        return None, lesson.rows
    is_measured = np.array([sensor != lesson.states.sensor for sensor in lesson.sensors])
    season, explained = learn_season(lesson.rows, lesson.time_ns, lesson.season, is_measured)
    return season, lesson.rows - explained


def method(detector: str, states: States) -> Fit:
    """Return how a detector is fitted: *linear* anew for each state, where a sensor tells it. Raises ConfigError."""
    spec = detector_spec(linear_model.NAME if detector == seasonal_model.NAME else detector)
    if not states.sensor or detector not in SEASONAL:
        return spec.fit
    return partial(by_state.fit, states=states)


def fit(envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...], request: FitRequest) -> bytes:
    """Fit and pack; the same input gives the same bytes. Raises ValueError, ConfigError."""
    lesson = gather(envelopes, key, rules, request)
    detector = learned(lesson, request.detector, request.false_alarms_per_week)
    errors = errors_of(lesson, request.detector)
    facts = TrainingFacts(
        rows=len(lesson.rows),
        interval_seconds=WEEK_SECONDS / lesson.rows_per_week,
        false_alarms_per_week=request.false_alarms_per_week,
        first_ns=int(lesson.time_ns[0]),
        last_ns=int(lesson.time_ns[-1]),
        asset=str(key),
        remarks=remarks(lesson.time_ns, lesson.rows, lesson.sensors, errors, lesson.states.sensor),
    )
    return pack(WatchedDetector(detector, learn(measured(lesson), errors)), facts)


def measured(lesson: Lesson) -> Matrix:
    """Return the rows without the state: no state is more usual than another."""
    if not lesson.states.sensor:
        return lesson.rows
    column = lesson.sensors.index(lesson.states.sensor)
    return np.where(np.arange(len(lesson.sensors)) == column, np.nan, lesson.rows)
