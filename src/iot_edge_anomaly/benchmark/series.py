"""Run methods on one labelled series: scores, what they are worth, what they cost, and a sketch to look at."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.alarm_metrics import budget_threshold, judge
from iot_edge_anomaly.benchmark.baselines import standardised, without_holes
from iot_edge_anomaly.benchmark.metrics import auc_pr, period, vus_pr
from iot_edge_anomaly.benchmark.peak_memory import with_peak_growth
from iot_edge_anomaly.benchmark.peers import PEERS, prepare
from iot_edge_anomaly.benchmark.sketch import ScoreLine, Sketch, score_line, sketch
from iot_edge_anomaly.benchmark.suites import Series, Split, load
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.detection import by_state_model, seasonal_model
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.training.fit_file import WEEK_SECONDS

BY_THE_WAY = (by_state_model.NAME, seasonal_model.NAME)
"""Methods that are *linear* where nobody tells states or times, as in a suite."""

METHODS = (*(name for name in DETECTORS if name not in BY_THE_WAY), *PEERS)
"""Without a state sensor, which the labelled series have not, by-state is linear."""

CHUNK_ROWS = 4096
FALSE_ALARMS_PER_WEEK = 1.0


class Run(msgspec.Struct, frozen=True):
    """One method on one series. No figure of ranking, and no F1, where the scored part holds no labelled row."""

    suite: str
    series: str
    method: str
    sensors: int
    train_rows: int
    rows: int
    vus_pr: float | None
    auc_pr: float | None
    f1: float | None
    alarm_rows_share: float
    false_alarms: int
    quiet_weeks: float
    """Time without a label, in which the false alarms were counted."""
    events: int
    delays_rows: list[int]
    """Rows from the start of each event that was found to its first alarm."""
    fit_seconds: float
    score_seconds: float
    growth_mb: float | None
    """Growth of resident memory at the peak of fit and scoring; None where the system does not tell."""


class Scored(NamedTuple):
    """What a method said of the rows to score, its alarm threshold, and what it took; of our own the detector too."""

    score: NDArray[np.float64]
    threshold: float
    fit_seconds: float
    score_seconds: float
    detector: Detector | None = None


class SeriesResult(NamedTuple):
    """All runs on one series, and the series to look at."""

    runs: list[Run]
    sketch: Sketch


def run_series(series: Series, methods: Sequence[str]) -> SeriesResult:
    """Fit on the training rows, score the rest, check what every detector promises."""
    split = load(series)
    width = period(without_holes(np.concatenate((split.train[:, :1], split.test[:, :1])))[:, 0])
    runs, lines = [], {}
    for method in methods:
        run, lines[method] = _run(series, split, method, width)
        runs.append(run)
    return SeriesResult(runs, sketch(series, split, lines))


def _run(series: Series, split: Split, method: str, width: int) -> tuple[Run, ScoreLine]:
    where = f"{method} on {series.suite}/{series.name}"
    try:
        scored, growth = with_peak_growth(_work(method, split))
    except ValueError as error:
        raise FatalError(f"{where}: {error}") from error
    _check(scored, split, where)
    alarms = scored.score > scored.threshold
    labelled, worth = bool(split.labels.any()), judge(split.labels, alarms)
    run = Run(
        series.suite,
        series.name,
        method,
        len(split.sensors),
        len(split.train),
        len(split.test),
        vus_pr(split.labels, scored.score, width) if labelled else None,
        auc_pr(split.labels, scored.score) if labelled else None,
        worth.f1,
        round(float(alarms.mean()), 5),
        worth.false_alarms,
        worth.quiet_rows * split.interval_seconds / WEEK_SECONDS,
        worth.events,
        list(worth.delays_rows),
        round(scored.fit_seconds, 4),
        round(scored.score_seconds, 6),
        None if growth is None else round(growth, 1),
    )
    return run, score_line(scored.score, scored.threshold)


def _work(method: str, split: Split) -> Callable[[], Scored]:
    if method in PEERS:
        prepare(method)
        train, test = standardised(split.train, split.test)
        return lambda: _score_peer(method, train, test, WEEK_SECONDS / split.interval_seconds)
    return lambda: _score_detector(method, split)


def _score_peer(method: str, train: NDArray[np.float64], test: NDArray[np.float64], rows_per_week: float) -> Scored:
    """Score by a peer; what it leaves undefined is 0, what is infinite the largest number there is below it."""
    began = perf_counter()
    fitted = PEERS[method].fit(train)
    knows = perf_counter()
    score = np.asarray(fitted.score(test), np.float64)
    done = perf_counter()
    usable = fitted.training[np.isfinite(fitted.training)]
    threshold = budget_threshold(usable, rows_per_week, FALSE_ALARMS_PER_WEEK)
    return Scored(_finite(score), threshold, knows - began, done - knows)


def _score_detector(method: str, split: Split) -> Scored:
    began = perf_counter()
    detector = DETECTORS[method].fit(
        split.train,
        split.sensors,
        rows_per_week=WEEK_SECONDS / split.interval_seconds,
        false_alarms_per_week=FALSE_ALARMS_PER_WEEK,
        starts=split.starts,
    )
    knows = perf_counter()
    score = _in_chunks(detector, split.test)
    return Scored(score, 1.0, knows - began, perf_counter() - knows, detector)


def _check(scored: Scored, split: Split, where: str) -> None:
    """Hold a method to its promises: one finite score a row; of our own, that no score depends on later rows."""
    score, detector = scored.score, scored.detector
    if len(score) != len(split.test) or not np.isfinite(score).all():
        raise FatalError(f"{where}: not one finite score a row")
    if detector is None:
        return
    prefix = detector.score(detector.start(), split.test[: len(score) // 3])[1].score
    if prefix.tobytes() != score[: len(prefix)].tobytes():
        raise FatalError(f"{where}: the scores of a prefix are not the prefix of the scores")


def _in_chunks(detector: Detector, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    state, parts = detector.start(), []
    for begin in range(0, len(rows), CHUNK_ROWS):
        state, scores = detector.score(state, rows[begin : begin + CHUNK_ROWS])
        parts.append(scores.score)
    return np.concatenate(parts)


def _finite(score: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = score[np.isfinite(score)]
    highest = float(finite.max()) if len(finite) else 0.0
    return np.nan_to_num(score, nan=0.0, posinf=highest, neginf=0.0)
