"""Run detectors over labelled suites: what `iot-edge-anomaly benchmark detection` does."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from statistics import fmean
from time import perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.errors import ConfigError, FatalError
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.training.baselines import BASELINES, SEED, without_holes
from iot_edge_anomaly.training.fit_file import WEEK_SECONDS
from iot_edge_anomaly.training.metrics import auc_pr, period, vus_pr
from iot_edge_anomaly.training.suites import Series, Split, find_series, load

METHODS = (*DETECTORS, *BASELINES)
CHUNK_ROWS = 4096
PROCESSES = 2
FALSE_ALARMS_PER_WEEK = 1.0
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Progress = Callable[[int, int], None]
"""Told how many runs of how many are done."""


class Run(msgspec.Struct, frozen=True):
    """One method on one series. No figure where the scored part holds no labelled row."""

    suite: str
    series: str
    method: str
    sensors: int
    train_rows: int
    rows: int
    vus_pr: float | None
    auc_pr: float | None
    alarm_rows_share: float | None
    fit_seconds: float
    score_seconds: float


class Report(msgspec.Struct, frozen=True):
    """All runs and their means."""

    seed: int
    seconds: float
    suite_means: dict[str, dict[str, float]]
    mean_of_suite_means: dict[str, float]
    runs: list[Run]


def run_benchmark(
    folder: Path, methods: Sequence[str] = METHODS, *, processes: int = PROCESSES, progress: Progress = lambda *_: None
) -> Report:
    """Run each method on each series. Raises FatalError naming the series where a promise of a detector is broken."""
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ConfigError(f"there is no detector {unknown[0]!r}; there are: {', '.join(METHODS)}")
    began = perf_counter()
    series = find_series(folder)
    runs: list[Run] = []
    for done in _in_processes([(one, tuple(methods)) for one in series], processes):
        runs += done
        progress(len(runs), len(series) * len(methods))
    runs.sort(key=lambda run: (run.suite, run.series, methods.index(run.method)))
    means = _suite_means(runs, methods)
    overall = {name: fmean(suite[name] for suite in means.values()) for name in methods} if means else {}
    return Report(SEED, round(perf_counter() - began, 1), means, overall, runs)


def run_series(series: Series, methods: Sequence[str]) -> list[Run]:
    """Fit on the training rows, score the rest, check what every detector promises."""
    split = load(series)
    width = period(without_holes(np.concatenate((split.train[:, :1], split.test[:, :1])))[:, 0])
    runs = []
    for method in methods:
        fit_seconds, score_seconds, score, share = _scores(method, split, f"{series.suite}/{series.name}")
        labelled = bool(split.labels.any())
        runs.append(
            Run(
                series.suite,
                series.name,
                method,
                len(split.sensors),
                len(split.train),
                len(split.test),
                vus_pr(split.labels, score, width) if labelled else None,
                auc_pr(split.labels, score) if labelled else None,
                share,
                round(fit_seconds, 4),
                round(score_seconds, 4),
            )
        )
    return runs


def _scores(method: str, split: Split, where: str) -> tuple[float, float, NDArray[np.float64], float | None]:
    began = perf_counter()
    if method in BASELINES:
        score = BASELINES[method](without_holes(split.train), without_holes(split.test))
        return 0.0, perf_counter() - began, score, None
    detector = DETECTORS[method].fit(
        split.train,
        split.sensors,
        rows_per_week=WEEK_SECONDS / split.interval_seconds,
        false_alarms_per_week=FALSE_ALARMS_PER_WEEK,
        starts=split.starts,
    )
    fitted = perf_counter()
    state, parts = detector.start(), []
    for begin in range(0, len(split.test), CHUNK_ROWS):
        state, scores = detector.score(state, split.test[begin : begin + CHUNK_ROWS])
        parts.append(scores.score)
    score = np.concatenate(parts)
    scored = perf_counter()
    prefix = detector.score(detector.start(), split.test[: len(score) // 3])[1].score
    if len(score) != len(split.test) or not np.isfinite(score).all():
        raise FatalError(f"{method} on {where}: not one finite score a row")
    if prefix.tobytes() != score[: len(prefix)].tobytes():
        raise FatalError(f"{method} on {where}: the scores of a prefix are not the prefix of the scores")
    return fitted - began, scored - fitted, score, round(float((score > 1).mean()), 5)


def _in_processes(jobs: Sequence[tuple[Series, tuple[str, ...]]], processes: int) -> Iterator[list[Run]]:
    """Run jobs in fresh processes of one BLAS thread each; a failure ends all."""
    if processes <= 1:
        yield from (run_series(*job) for job in jobs)
        return
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, PROCESSES), mp_context=spawn) as pool:
        waiting = [pool.submit(run_series, *job) for job in jobs]
        try:
            yield from (done.result() for done in as_completed(waiting))
        finally:
            pool.shutdown(cancel_futures=True)


def _suite_means(runs: Sequence[Run], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    means: dict[str, dict[str, float]] = {}
    for suite in sorted({run.suite for run in runs}):
        figures = {
            name: [run.vus_pr for run in runs if (run.suite, run.method) == (suite, name) and run.vus_pr is not None]
            for name in methods
        }
        if all(figures.values()):
            means[suite] = {name: fmean(values) for name, values in figures.items()}
    return means
