"""From stored input to a model: clean and fuse again, as the pipeline did, keep what may be learned from, and fit."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.detection.usual import learn
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.pipeline.fused import fused_rows
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack
from iot_edge_anomaly.training.held_out import held_out_errors

NS = 1_000_000_000
WEEK_SECONDS = 7 * 86_400
LONGEST_STEP = 5
"""Rows further apart than so many usual steps do not follow each other."""


class Lesson(NamedTuple):
    """Rows to learn from, n by k, in time order; `starts` marks rows that do not follow the one before them."""

    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    rows: Matrix
    starts: NDArray[np.bool_]
    rows_per_week: float


def gather(envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...], request: FitRequest) -> Lesson:
    """Return the rows of an asset that the learning gate let through. Raises ValueError when there are none."""
    sensors, time_ns, values = fused_rows(envelopes, key, rules)
    inside = np.zeros(len(time_ns), bool)
    for start, end in request.spans:
        inside[np.searchsorted(time_ns, start) : np.searchsorted(time_ns, end, "right")] = True
    if not inside.any():
        raise ValueError("none of the rows asked for is in the store any more")
    return lesson_of(sensors, time_ns, values, inside)


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
    return detector_spec(detector).fit(
        lesson.rows,
        lesson.sensors,
        rows_per_week=lesson.rows_per_week,
        false_alarms_per_week=false_alarms_per_week,
        starts=lesson.starts,
    )


def fit(envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...], request: FitRequest) -> bytes:
    """Fit and pack; the same input gives the same bytes. Raises ValueError, ConfigError."""
    lesson = gather(envelopes, key, rules, request)
    detector = learned(lesson, request.detector, request.false_alarms_per_week)
    fit_detector = detector_spec(request.detector).fit
    errors = held_out_errors(fit_detector, lesson.rows, lesson.sensors, lesson.rows_per_week, lesson.starts)
    facts = TrainingFacts(
        rows=len(lesson.rows),
        interval_seconds=WEEK_SECONDS / lesson.rows_per_week,
        false_alarms_per_week=request.false_alarms_per_week,
        first_ns=int(lesson.time_ns[0]),
        last_ns=int(lesson.time_ns[-1]),
        asset=str(key),
    )
    return pack(WatchedDetector(detector, learn(lesson.rows, errors)), facts)
