"""Run detectors over labelled suites: what `iot-edge-anomaly benchmark detection` does."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import msgspec

from iot_edge_anomaly.benchmark.peers import SEED, not_installed
from iot_edge_anomaly.benchmark.series import FALSE_ALARMS_PER_WEEK, METHODS, Run, SeriesResult, run_series
from iot_edge_anomaly.benchmark.sketch import Sketch
from iot_edge_anomaly.benchmark.suites import Series, find_series
from iot_edge_anomaly.benchmark.summary import (
    Figures,
    Standing,
    best_peer,
    standings,
    suite_figures,
    suite_means,
)
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.resilience.environment import ONE_BLAS_THREAD

PROCESSES = 2
_ONE_THREAD = {**ONE_BLAS_THREAD, "NUMBA_NUM_THREADS": "1"}

Progress = Callable[[int, int], None]
"""Told how many runs of how many are done."""


class Report(msgspec.Struct, frozen=True):
    """All runs, and what they come to: by suite, and by method over all suites."""

    seed: int
    seconds: float
    false_alarms_per_week: float
    """The budget that the alarm thresholds are for."""
    suite_means: dict[str, dict[str, float]]
    mean_of_suite_means: dict[str, float]
    best_peer: str | None
    methods: dict[str, Standing]
    suites: dict[str, dict[str, Figures]]
    skipped: dict[str, str]
    """Peers that did not run, and why."""
    runs: list[Run]


class Benchmark(NamedTuple):
    """The report, and the series to look at."""

    report: Report
    sketches: list[Sketch]


def run_benchmark(
    folder: Path,
    methods: Sequence[str] | None = None,
    *,
    processes: int = PROCESSES,
    progress: Progress = lambda *_: None,
) -> Benchmark:
    """Run each method on each series; without methods all whose packages are installed.

    Raises FatalError naming the series where a promise of a detector is broken.
    """
    began = perf_counter()
    chosen, skipped = _choose(methods)
    series = find_series(folder)
    results: list[SeriesResult] = []
    for done in _in_processes([(one, chosen) for one in series], processes):
        results.append(done)
        progress(len(results) * len(chosen), len(series) * len(chosen))
    results.sort(key=lambda result: (result.sketch.suite, result.sketch.series))
    runs = [run for result in results for run in result.runs]
    return Benchmark(
        _report(runs, chosen, skipped, round(perf_counter() - began, 1)), [result.sketch for result in results]
    )


def _choose(methods: Sequence[str] | None) -> tuple[tuple[str, ...], dict[str, str]]:
    asked = tuple(dict.fromkeys(methods or METHODS))
    if unknown := [name for name in asked if name not in METHODS]:
        raise ConfigError(f"there is no detector {unknown[0]!r}; there are: {', '.join(METHODS)}")
    missing = not_installed(asked)
    if methods and missing:
        name, reason = next(iter(missing.items()))
        raise ConfigError(f"{name} cannot run: {reason}")
    return tuple(name for name in asked if name not in missing), missing


def _report(runs: list[Run], methods: tuple[str, ...], skipped: dict[str, str], seconds: float) -> Report:
    stand = standings(runs, methods)
    return Report(
        SEED,
        seconds,
        FALSE_ALARMS_PER_WEEK,
        suite_means(runs, methods),
        {name: one.all.vus_pr for name, one in stand.items() if one.all.vus_pr is not None},
        best_peer(runs, methods),
        stand,
        suite_figures(runs, methods),
        skipped,
        runs,
    )


def _in_processes(jobs: Sequence[tuple[Series, tuple[str, ...]]], processes: int) -> Iterator[SeriesResult]:
    """Run jobs in fresh processes of one thread each; a failure ends all."""
    if processes <= 1:
        yield from (run_series(*job) for job in jobs)
        return
    os.environ.update(_ONE_THREAD)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, PROCESSES), mp_context=spawn) as pool:
        waiting = [pool.submit(run_series, *job) for job in jobs]
        try:
            yield from (done.result() for done in as_completed(waiting))
        finally:
            pool.shutdown(cancel_futures=True)
