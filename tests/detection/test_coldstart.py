"""The detector that has learned nothing: modest at first, never sure, and not fooled for long."""

import numpy as np

from iot_edge_anomaly.detection.coldstart import ColdStart

NAMES = ("a", "b", "c", "d", "e")


def test_the_first_rows_say_nothing_and_noise_is_no_alarm() -> None:
    detector = ColdStart(NAMES)
    _, scores = detector.score(detector.start(), np.random.default_rng(0).normal(50, 3, size=(3000, 5)))
    assert (scores.score[:2] == 0).all()
    assert 0 < scores.score[2:].max() < 1
    assert np.isnan(scores.expected[0]).all()
    np.testing.assert_allclose(scores.expected[-1], 50, atol=3)


def test_a_leap_of_all_sensors_is_seen_and_then_learned() -> None:
    detector = ColdStart(NAMES)
    rows = np.random.default_rng(1).normal(size=(3000, 5))
    rows[1000:] += 30
    _, scores = detector.score(detector.start(), rows)
    assert (scores.score[1000:1005] > 1).all()
    assert (scores.score[2500:] < 1).all()


def test_it_learns_from_the_rows_it_is_given() -> None:
    detector = ColdStart(NAMES)
    window = np.random.default_rng(2).normal(size=(10, 5))
    _, fresh = detector.score(detector.start(), window)
    state, _ = detector.score(detector.start(), window * 100)
    _, after = detector.score(state, window)
    assert after.score[-1] < fresh.score[-1]
