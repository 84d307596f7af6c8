"""A single sensor is held against where it has been."""

import numpy as np
import pytest

from iot_edge_anomaly.detection.linear import SPEC, fit
from iot_edge_anomaly.detection.places import NEIGHBOURS, PLACES, WINDOW_ROWS, distances, learned_places, places_of


def test_a_place_is_the_value_and_the_mean_of_the_rows_so_far() -> None:
    values = np.random.default_rng(0).normal(size=(300, 1))
    found = places_of(np.concatenate((np.zeros((WINDOW_ROWS - 1, 1)), values)), 300, 0)
    assert found.shape == (300, 2)
    np.testing.assert_array_equal(found[:, 0], values[:, 0])
    for row in (0, 5, WINDOW_ROWS - 1, WINDOW_ROWS, 299):
        assert found[row, 1] == pytest.approx(values[max(row + 1 - WINDOW_ROWS, 0) : row + 1].mean())


def test_distances_are_to_the_nearest_places_known() -> None:
    random = np.random.default_rng(1)
    places, known = random.normal(size=(700, 3, 2)), random.normal(size=(50, 2))
    every = np.sort(np.square(places[:, :, None] - known).mean(axis=-1), axis=-1)
    np.testing.assert_allclose(distances(places, known), np.sqrt(every[..., :NEIGHBOURS].mean(axis=-1)))
    assert distances(places[:, 0], known[:1]).shape == (700,)


def test_what_was_learned_is_spread_and_never_compared_with_itself() -> None:
    rows = np.repeat(np.arange(4.0) * 100, 250)[:, None] * np.ones((1, 2))
    folds = [slice(begin, begin + 250) for begin in range(0, 1000, 250)]
    known, held_out = learned_places(rows, folds)
    assert len(known) == PLACES
    assert (held_out >= 100).all()
    few, _ = learned_places(rows[::50], [slice(0, 10), slice(10, 20)])
    assert len(few) == 20


def test_a_level_where_a_sensor_never_was_stays_an_alarm() -> None:
    random = np.random.default_rng(2)
    rows = 20 + np.sin(np.arange(6_000) / 50)[:, None] + 0.1 * random.normal(size=(6_000, 1))
    rows[5_000:] += 4
    detector = fit(rows[:4_000], ("temperature",), rows_per_week=10_080.0, false_alarms_per_week=1.0)
    _, scores = detector.score(detector.start(), rows)
    assert (scores.score[:5_000] <= 1).all()
    assert (scores.score[5_003:] > 1).mean() > 0.95


@pytest.mark.parametrize("beside", [np.zeros((0, 2)), np.zeros((4, 3)), np.float64(1.0), np.zeros(2)])
def test_a_model_without_places_is_refused(beside: np.ndarray) -> None:
    rows = np.random.default_rng(3).normal(size=(100, 1))
    arrays, parameters = SPEC.to_arrays(fit(rows, ("a",), rows_per_week=1e4, false_alarms_per_week=1.0))
    with pytest.raises(ValueError, match="beside"):
        SPEC.from_arrays({**arrays, "beside": np.asarray(beside)}, parameters)
