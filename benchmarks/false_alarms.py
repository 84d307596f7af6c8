"""How many false alarms a week come of a budget, by how many rows were learned from: promised against realised.

    OMP_NUM_THREADS=1 python -m benchmarks.false_alarms [--models 40]

Nothing is ever wrong in these series, so every alarm is false. Each kind of series and number of rows has so many
models, each learned from a stretch of its own and judged over weeks that it never saw, by the alarm stage that ships.
"""

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from benchmarks.quiet_time import staged
from benchmarks.results import write

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.training.fit_file import WEEK_SECONDS

SEED = 20
MODELS = 40
LEARNED_ROWS = (300, 600, 1_000, 3_000)
PROMISED = 2.0
ROWS_PER_WEEK = 10_080
"""A row a minute."""

WEEKS = 2
BURN_IN = 500
RESAMPLES = 2_000


def white(rows: int, random: np.random.Generator) -> Matrix:
    """Five sensors of independent Gaussian noise."""
    return random.normal(size=(rows, 5))


def autoregressive(rows: int, random: np.random.Generator, inertia: float = 0.9, sensors: int = 5) -> Matrix:
    """Sensors that each follow their own last value: AR(1)."""
    noise = random.normal(size=(rows + BURN_IN, sensors))
    for row in range(1, len(noise)):
        noise[row] += inertia * noise[row - 1]
    return noise[BURN_IN:]


def one_sensor(rows: int, random: np.random.Generator) -> Matrix:
    """A single AR(1) sensor."""
    return autoregressive(rows, random, 0.7, 1)


def heavy_tailed(rows: int, random: np.random.Generator) -> Matrix:
    """Five sensors of Student's t with four degrees of freedom: now and then far out."""
    return random.standard_t(4, size=(rows, 5))


def machine(rows: int, random: np.random.Generator) -> Matrix:
    """Twelve sensors that follow three slow causes, and their own noise."""
    causes = autoregressive(rows, random, 0.95, 3)
    mixing = np.random.default_rng(5).normal(size=(3, 12))
    return causes @ mixing + 0.5 * random.normal(size=(rows, 12))


def bursts(rows: int, random: np.random.Generator) -> Matrix:
    """Five sensors whose noise waxes and wanes slowly: stochastic volatility."""
    return random.normal(size=(rows, 5)) * np.exp(0.12 * autoregressive(rows, random, 0.95, 1))


KINDS: dict[str, Callable[[int, np.random.Generator], Matrix]] = {
    "white": white,
    "autoregressive": autoregressive,
    "one_sensor": one_sensor,
    "heavy_tailed": heavy_tailed,
    "machine": machine,
    "bursts": bursts,
}


def false_alarms(kind: str, learned: int, number: int) -> tuple[float, float]:
    """Return how many alarms a week one model raises over rows it never saw, and the mean of its limits."""
    random = np.random.default_rng((SEED, list(KINDS).index(kind), learned, number))
    rows = KINDS[kind](learned + WEEKS * ROWS_PER_WEEK, random)
    names = tuple(f"s{column}" for column in range(rows.shape[1]))
    detector = fit(rows[:learned], names, rows_per_week=ROWS_PER_WEEK, false_alarms_per_week=PROMISED)
    _, scores = detector.score(detector.start(), rows)
    raised = staged(scores.score[learned:], WEEK_SECONDS / ROWS_PER_WEEK).starts
    return len(raised) / WEEKS, float(detector.model.limits.mean())


class Realised(NamedTuple):
    """What came of the budget: the mean over models with its confidence interval (bootstrap), and how bad it gets."""

    mean_a_week: float
    confidence_95: tuple[float, float]
    worst_model_a_week: float
    models_beyond_twice_the_budget: int
    median_limit: float


def realised(kind: str, learned: int, models: int) -> Realised:
    """Judge so many models of one kind of series, each learned from so many rows."""
    found = [false_alarms(kind, learned, number) for number in range(models)]
    weekly, limits = (np.array(column) for column in zip(*found, strict=True))
    resampled = np.random.default_rng(SEED).choice(weekly, (RESAMPLES, models)).mean(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975)).round(2).tolist()
    return Realised(
        round(float(weekly.mean()), 2),
        (low, high),
        round(float(weekly.max()), 1),
        int((weekly > 2 * PROMISED).sum()),
        round(float(np.median(limits)), 2),
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=MODELS)
    models = parser.parse_args().models
    table: dict[str, dict[str, object]] = {}
    for kind in KINDS:
        for learned in LEARNED_ROWS:
            found = realised(kind, learned, models)
            print(kind, learned, found, flush=True)
            table.setdefault(kind, {})[str(learned)] = found._asdict()
    write(
        "false_alarms",
        {
            "promised_a_week": PROMISED,
            "rows_per_week": ROWS_PER_WEEK,
            "weeks_judged_per_model": WEEKS,
            "models": models,
            "realised": table,
        },
        seed=SEED,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
