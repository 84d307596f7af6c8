"""A sensor that deviates more and more loses its voice slowly, and never all of it."""

import numpy as np
import pytest

from iot_edge_anomaly.detection.blocks import ROWS
from iot_edge_anomaly.detection.voice import USUAL, Means, adapt, shares, voices

VIEWS, SENSORS = 2, 6


def deviations(rows: int, seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(rows, VIEWS, SENSORS)))


def heard(found: np.ndarray) -> np.ndarray:
    return adapt(found, np.ones((len(found), SENSORS), bool))


def test_who_is_as_usual_keeps_the_voice() -> None:
    found = deviations(20_000)
    adapted = heard(found)
    assert adapted.mean() == pytest.approx(found.mean(), rel=0.05)


def test_who_is_odd_for_long_is_heard_less_and_less() -> None:
    found = deviations(10_000)
    found[2_000:, :, 0] += 10.0
    adapted = heard(found)
    early, late = (adapted[rows, :, 0].mean() for rows in (slice(2_000, 2_016), slice(9_000, None)))
    assert early > 0.9 * found[2_000:2_016, :, 0].mean()
    assert late < early / 5
    np.testing.assert_allclose(adapted[9_000:, :, 1:].mean(), found[9_000:, :, 1:].mean(), rtol=0.05)


def test_what_all_share_keeps_more_of_its_voice_than_one_alone() -> None:
    alone, shared = deviations(6_000), deviations(6_000)
    alone[:, :, 0] *= 9.0
    shared *= 9.0
    assert heard(alone)[-500:, :, 0].mean() < 0.5 * heard(shared)[-500:, :, 0].mean()


def test_a_ramp_grows_louder_however_slow() -> None:
    found = deviations(40_000) * (1.0 + np.arange(40_000) / 1_000)[:, None, None]
    adapted = heard(found).mean(axis=(1, 2)).reshape(10, -1).mean(axis=1)
    assert (np.diff(adapted) > 0).all()


def test_what_does_not_count_moves_no_mean() -> None:
    found, counts = deviations(ROWS), np.ones((ROWS, SENSORS), bool)
    found[:, :, 2], counts[:, 2] = 1e6, False
    means = Means.usual(VIEWS, SENSORS).after(found, counts, ends_block=True)
    assert (means.now[:, 2] == USUAL).all()
    assert (means.now[:, 3] != USUAL).all()


def test_means_are_kept_until_a_block_ends() -> None:
    found, counts = deviations(ROWS), np.ones((ROWS, SENSORS), bool)
    whole = Means.usual(VIEWS, SENSORS).after(found, counts, ends_block=True)
    half = Means.usual(VIEWS, SENSORS).after(found[:5], counts[:5], ends_block=False)
    assert (half.now == USUAL).all()
    both = half.after(found[5:], counts[5:], ends_block=True)
    assert [part.tobytes() for part in both] == [part.tobytes() for part in whole]


def test_sensors_that_measure_nothing_have_together_no_more_to_say_than_those_that_do() -> None:
    rows = np.zeros((100, 7))
    rows[:, :2] = np.random.default_rng(0).normal(size=(100, 2))
    rows[50:, 3] = 1.0
    known = np.ones(rows.shape, bool)
    heard = voices(rows, known)
    np.testing.assert_allclose(heard, [1.0, 1.0, *[2 / 5] * 5])
    assert (voices(rows[:, :4], known[:, :4]) == 1.0).all()
    assert (voices(rows[:, 2:], known[:, 2:]) == 1.0).all()


def test_shares_add_up_to_the_mean_over_those_that_are_there() -> None:
    known, heard = np.array([[True, True, False], [False, False, False]]), np.array([1.0, 0.5, 1.0])
    found = shares(np.array([[3.0, 6.0, 99.0]] * 2), known, heard)
    np.testing.assert_allclose(found, [[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])


def test_a_flag_that_a_fault_was_seen_in_stays_a_flag() -> None:
    random = np.random.default_rng(5)
    rows = np.column_stack((random.standard_normal((1_000, 2)), random.integers(0, 2, (1_000, 6)).astype(float)))
    rows[100:108, 4] += random.standard_normal(8)
    rows[100:140, 5] += random.standard_normal(40)
    heard = voices(rows, np.isfinite(rows))
    assert heard[4] == heard[3] == pytest.approx(3 / 5)
    assert heard[5] == 1.0, "what shows other values more often measures something"
