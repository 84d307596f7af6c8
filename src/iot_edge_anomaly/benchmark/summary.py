"""What many runs come to: figures by suite and by method, how sure they are, and how far ahead of the best peer.

The headline is the mean of the suites' mean VUS-PR: each suite has one voice, however many series it holds.
"""

from collections.abc import Sequence
from statistics import fmean, median

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.peers import PEERS, SEED
from iot_edge_anomaly.benchmark.series import Run

RESAMPLES = 2_000
_MIDDLE_95 = (2.5, 97.5)


class Figures(msgspec.Struct, frozen=True):
    """What one method's runs come to. Means are over series with a label; alarms, events and time are summed up."""

    series: int
    """With a label in the scored part."""
    vus_pr: float | None
    auc_pr: float | None
    f1: float | None
    false_alarms: int
    quiet_weeks: float
    false_alarms_per_week: float | None
    events: int
    events_found: int
    median_delay_rows: float | None
    microseconds_a_row: float
    growth_mb: float | None
    """The largest of any series."""


class Standing(msgspec.Struct, frozen=True):
    """How a method stands over all suites.

    In `all`, VUS-PR, AUC-PR and F1 are means of suite means. Intervals hold 95 % of 2,000 resamples of the series
    within their suites; the best peer is chosen in each anew.
    """

    all: Figures
    interval_95: tuple[float, float] | None
    without: dict[str, float]
    """The mean with each suite left out."""
    ratio_to_best_peer: float | None
    ratio_interval_95: tuple[float, float] | None


def suite_figures(runs: Sequence[Run], methods: Sequence[str]) -> dict[str, dict[str, Figures]]:
    """Return the figures of each suite and method."""
    return {suite: {name: _figures(_of(runs, name, suite)) for name in methods} for suite in _suites(runs)}


def suite_means(runs: Sequence[Run], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return mean VUS-PR by suite and method, of suites with a label."""
    return {
        suite: dict(zip(methods, table.mean(axis=0).tolist(), strict=True))
        for suite, table in _vus_tables(runs, methods).items()
    }


def best_peer(runs: Sequence[Run], methods: Sequence[str]) -> str | None:
    """Return the peer with the highest mean of suite means, None where no peer ran or no row is labelled."""
    means, peers = suite_means(runs, methods), [name for name in methods if _is_peer(name)]
    if not means or not peers:
        return None
    return max(peers, key=lambda name: fmean(suite[name] for suite in means.values()))


def _is_peer(name: str) -> bool:
    return name in PEERS and not PEERS[name].is_yardstick


def standings(runs: Sequence[Run], methods: Sequence[str]) -> dict[str, Standing]:
    """Return how each method stands over all suites."""
    tables = _vus_tables(runs, methods)
    if not tables:
        return {name: Standing(_overall(runs, name), None, {}, None, None) for name in methods}
    means = np.array([table.mean(axis=0) for table in tables.values()])
    peers = [place for place, name in enumerate(methods) if _is_peer(name)]
    drawn = _resampled(list(tables.values()))
    return {
        name: Standing(
            _overall(runs, name),
            _interval(drawn[:, place]),
            _without_each(list(tables), means[:, place]),
            float(means.mean(axis=0)[place] / means.mean(axis=0)[peers].max()) if peers else None,
            _interval(drawn[:, place] / drawn[:, peers].max(axis=1)) if peers else None,
        )
        for place, name in enumerate(methods)
    }


def _vus_tables(runs: Sequence[Run], methods: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return VUS-PR of each suite, series by methods, of series with a label."""
    tables = {}
    for suite in _suites(runs):
        columns = [[run.vus_pr for run in _of(runs, name, suite) if run.vus_pr is not None] for name in methods]
        if all(columns):
            tables[suite] = np.array(columns).T
    return tables


def _resampled(tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of suite means of each resample, resamples by methods: series are drawn within their suite."""
    random = np.random.default_rng(SEED)
    draws = [table[random.integers(0, len(table), (RESAMPLES, len(table)))].mean(axis=1) for table in tables]
    return np.asarray(np.mean(draws, axis=0), np.float64)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, _MIDDLE_95)
    return float(low), float(high)


def _without_each(suites: Sequence[str], means: NDArray[np.float64]) -> dict[str, float]:
    if len(suites) < 2:
        return {}
    return {suite: float(np.delete(means, place).mean()) for place, suite in enumerate(suites)}


def _overall(runs: Sequence[Run], method: str) -> Figures:
    by_suite = [_figures(_of(runs, method, suite)) for suite in _suites(runs)]
    return msgspec.structs.replace(
        _figures(_of(runs, method)),
        vus_pr=_mean([one.vus_pr for one in by_suite]),
        auc_pr=_mean([one.auc_pr for one in by_suite]),
        f1=_mean([one.f1 for one in by_suite]),
    )


def _figures(runs: Sequence[Run]) -> Figures:
    delays = [delay for run in runs for delay in run.delays_rows]
    false_alarms, weeks = sum(run.false_alarms for run in runs), sum(run.quiet_weeks for run in runs)
    return Figures(
        sum(run.vus_pr is not None for run in runs),
        _mean([run.vus_pr for run in runs]),
        _mean([run.auc_pr for run in runs]),
        _mean([run.f1 for run in runs]),
        false_alarms,
        weeks,
        false_alarms / weeks if weeks else None,
        sum(run.events for run in runs),
        len(delays),
        float(median(delays)) if delays else None,
        round(1e6 * sum(run.score_seconds for run in runs) / max(sum(run.rows for run in runs), 1), 2),
        max((run.growth_mb for run in runs if run.growth_mb is not None), default=None),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _of(runs: Sequence[Run], method: str, suite: str | None = None) -> list[Run]:
    return [run for run in runs if run.method == method and suite in (None, run.suite)]


def _suites(runs: Sequence[Run]) -> list[str]:
    return sorted({run.suite for run in runs})
