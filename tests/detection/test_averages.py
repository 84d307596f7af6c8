"""Short and long faults are each seen by the average that suits them, at one budget."""

import numpy as np
import pytest

from iot_edge_anomaly.detection.averages import AVERAGES, SMOOTHING, farthest, limits_for_budget, shared, smooth

SENSORS, WEEK = 4, 10_000.0


def oddness(rows: int, seed: int) -> np.ndarray:
    """Oddness of normal rows: 1 on average, correlated as that of real rows is."""
    noise = np.abs(np.random.default_rng(seed).normal(size=(rows + 5, SENSORS))).mean(axis=1) / np.sqrt(2 / np.pi)
    return np.convolve(noise, np.full(6, 1 / 6), "valid")


def told(trace: np.ndarray, limits: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.asarray(shared(farthest(trace, limits), trace, known))


def scores(found: np.ndarray, limits: np.ndarray) -> np.ndarray:
    share = np.repeat(found[:, None] / SENSORS, SENSORS, axis=1)
    known = np.ones(share.shape, bool)
    _, trace = smooth(np.full((AVERAGES, SENSORS), 1 / SENSORS), share, share, known.any(axis=-1))
    return told(trace, limits, known).sum(axis=-1)


@pytest.fixture(scope="module")
def limits() -> np.ndarray:
    return limits_for_budget(oddness(5_000, 1), rows_per_week=WEEK, false_alarms_per_week=1.0)


def test_the_longer_an_average_the_nearer_its_limit_to_what_is_usual(limits: np.ndarray) -> None:
    assert limits.shape == SMOOTHING.shape
    assert list(limits) == sorted(limits, reverse=True)
    assert limits[-1] > 1.0


def test_what_sensors_contribute_adds_up_to_the_loudest_average(limits: np.ndarray) -> None:
    trace = np.abs(np.random.default_rng(2).normal(size=(50, AVERAGES, SENSORS)))
    known = np.random.default_rng(3).random((50, SENSORS)) < 0.7
    chosen = told(trace, limits, known)
    assert (chosen >= 0.0).all()
    np.testing.assert_allclose(chosen.sum(axis=-1), (trace[:, :3].sum(axis=-1) / limits).max(axis=-1))
    windows = told(np.stack((trace, trace[::-1]), axis=1), limits, np.stack((known, known[::-1]), axis=1))
    np.testing.assert_array_equal(windows[:, 0], chosen)


USUAL = (1.0, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "first",
    [
        (5.0, 2.0, 1.0, 1.0, 1.0),
        (0.1, 0.4, 1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0, 0.0, 1.0),
    ],
    ids=["odder than before", "less odd than before", "calmer than usually"],
)
def test_the_sensor_that_changed_is_named_before_one_that_always_was_odd(
    limits: np.ndarray, first: tuple[float, ...]
) -> None:
    trace = np.array([[first, (1.5, 1.5, 1.5, 1.0, 1.0), USUAL, (1.0, 1.0, 1.0, 3.0, 1.0)]]).swapaxes(1, 2)
    known = np.ones((1, SENSORS), bool)
    found = told(trace, limits, known)[0]
    assert found.argmax() == 0
    known[0, 0] = False
    assert told(trace, limits, known)[0, 0] < found[0]


def test_a_spike_and_a_small_fault_that_stays_both_alarm(limits: np.ndarray) -> None:
    calm = oddness(3_000, 3)
    assert (scores(calm, limits) <= 1.0).all()
    spike, step = calm.copy(), calm.copy()
    spike[2_000:2_002] += 6.0
    step[2_000:] += 0.5
    assert (scores(spike, limits)[2_000:2_005] > 1.0).any()
    found = scores(step, limits)
    assert (found[:2_000] <= 1.0).all()
    assert (found[2_150:] > 1.0).all()


def test_rows_that_never_erred_have_limits_too() -> None:
    still = limits_for_budget(np.zeros(200), rows_per_week=WEEK, false_alarms_per_week=1.0)
    assert np.isfinite(still).all()
    assert (still > 0.0).all()


@pytest.mark.parametrize(("a_week", "is_counted"), [(20.0, False), (0.1, True)])
def test_rows_that_stand_far_out_count_only_where_the_budget_is_rare(a_week: float, is_counted: bool) -> None:
    calm = oddness(2_000, 4)
    faults = calm.copy()
    faults[700:720] *= 40.0
    clean, dirty = (limits_for_budget(one, rows_per_week=WEEK, false_alarms_per_week=a_week) for one in (calm, faults))
    assert bool((dirty > 1.5 * clean).all()) is is_counted
