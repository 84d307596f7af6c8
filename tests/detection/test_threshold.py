"""A false-alarm budget is a promise: kept by models that learned from much, and by those that learned from little."""

import numpy as np
import pytest
from benchmarks.false_alarms import PROMISED, realised
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from iot_edge_anomaly.detection.threshold import LEAST, threshold_for_budget

WEEK = 10_080.0
MODELS = 12


def averaged(rows: int, seed: int) -> np.ndarray:
    """Scores like those of normal rows: noise, smoothed."""
    noise = np.abs(np.random.default_rng(seed).normal(size=rows + 100)) / np.sqrt(2 / np.pi)
    kernel = np.mean([rate * (1 - rate) ** np.arange(100) for rate in (0.3, 0.1, 0.03)], axis=0)
    return np.convolve(noise, kernel, "valid")[1:]


@pytest.mark.parametrize("rows", [290, 580, 3000])
def test_exponential_peaks_pass_it_as_often_as_promised_however_few_were_seen(rows: int) -> None:
    """Each block of 18 rows has one exponential peak, so what comes next is known exactly; averaged over lessons."""
    random = np.random.default_rng(rows)
    wanted_a_block = 0.01
    passed = []
    for _ in range(600):
        null = np.full(rows, 2.0)
        null[::18] += random.exponential(size=len(null[::18]))
        threshold = threshold_for_budget(null, rows_per_week=18.0, false_alarms_per_week=wanted_a_block)
        passed.append(np.exp(2.0 - threshold))
    assert 0.3 * wanted_a_block < np.mean(passed) < 1.1 * wanted_a_block


@pytest.mark.parametrize("kind", ["autoregressive", "bursts", "machine"])
def test_a_lesson_of_300_rows_keeps_its_promise(kind: str) -> None:
    found = realised(kind, 300, MODELS)
    assert found.confidence_95[0] <= PROMISED
    assert found.models_beyond_twice_the_budget <= MODELS / 4


def test_less_to_learn_from_gives_a_higher_threshold() -> None:
    medians = [
        np.median([threshold_for_budget(averaged(rows, seed), rows_per_week=WEEK, false_alarms_per_week=1.0)
                   for seed in range(25)])
        for rows in (150, 300, 1_000, 5_000)
    ]  # fmt: skip
    assert medians == sorted(medians, reverse=True)
    assert medians[0] > 1.2 * medians[-1]


def test_scores_that_remember_long_count_for_fewer_samples() -> None:
    quick = averaged(600, 1)
    slow = np.repeat(quick[:60], 10)
    one, other = (threshold_for_budget(null, rows_per_week=WEEK, false_alarms_per_week=1.0) for null in (quick, slow))
    assert other - slow.mean() > 1.3 * (one - quick.mean())


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, st.integers(20, 400), elements=st.floats(0.0, 1e6)),
    st.floats(1e-3, 1e3),
    st.floats(1.0, 1e8),
)
def test_whatever_was_seen_the_threshold_is_a_number_above_it_all_and_no_lower_for_a_rarer_budget(
    null: np.ndarray, budget: float, week: float
) -> None:
    threshold = threshold_for_budget(null, rows_per_week=week, false_alarms_per_week=budget)
    assert np.isfinite(threshold)
    assert threshold >= LEAST
    assert threshold <= threshold_for_budget(null, rows_per_week=week, false_alarms_per_week=budget / 2) * (1 + 1e-9)
    if budget / week * len(null) < 1.0:
        assert threshold > null.max()
