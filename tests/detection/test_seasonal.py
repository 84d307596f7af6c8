"""The seasonal detector: a usual value at an unusual time is odd for as long as it lasts; days and nights are not."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock_plant import DAY_ROWS, SENSORS, load, plant, rows, times  # type: ignore[import-not-found]
from iot_edge_anomaly.component.detector import Matrix, Scores, score_rows
from iot_edge_anomaly.detection import by_state, linear, seasonal
from iot_edge_anomaly.detection.by_state_model import States
from iot_edge_anomaly.detection.inside import season_of
from iot_edge_anomaly.detection.season import DAY, WEEK, SeasonRule, learn_season
from iot_edge_anomaly.detection.seasonal_model import SeasonalDetector
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack, unpack

PER_WEEK = 1008.0
LESSON_DAYS = 14


def learned(lesson: Matrix, rule: SeasonRule, days: float = LESSON_DAYS, **how: object) -> SeasonalDetector:
    season, explained = learn_season(lesson, times(days), rule)
    return seasonal.fit(
        lesson - explained, SENSORS, rows_per_week=PER_WEEK, false_alarms_per_week=1.0, season=season, **how
    )


@pytest.fixture(scope="module")
def detector() -> SeasonalDetector:
    return learned(plant(LESSON_DAYS), SeasonRule(WEEK))


@pytest.fixture(scope="module")
def without() -> linear.LinearDetector:
    return linear.fit(plant(LESSON_DAYS), SENSORS, rows_per_week=PER_WEEK, false_alarms_per_week=1.0)


def scores(detector: object, values: Matrix, first_day: float) -> Scores:
    return score_rows(detector, detector.start(), values, times(len(values) / DAY_ROWS, first_day))[1]  # type: ignore[attr-defined, arg-type]


def _names(found: Scores, sensor: int) -> np.ndarray:
    return np.asarray(found.contribution.argmax(axis=1) == sensor)


def test_healthy_weeks_are_quiet(detector: SeasonalDetector) -> None:
    assert (scores(detector, plant(28, 14), 14).score > 1).mean() < 0.005


def test_a_night_like_a_day_is_odd_while_it_lasts_and_nobody_else_sees_it(
    detector: SeasonalDetector, without: linear.LinearDetector
) -> None:
    at = times(3, 14)
    busy = load(at)
    night = slice(DAY_ROWS + 18, DAY_ROWS + 60)
    busy[DAY_ROWS + 12 : DAY_ROWS + 66] = np.maximum(busy[DAY_ROWS + 12 : DAY_ROWS + 66], 0.9)
    values = rows(at, busy)
    found, missed = (scores(one, values, 14).score[night] > 1 for one in (detector, without))
    assert found.mean() > 0.9
    assert missed.mean() < 0.5


def test_a_sunday_like_a_monday_is_odd_to_a_week_and_not_to_a_day() -> None:
    at = times(7, 14)
    values = rows(at, load(at, sundays=False))
    noon = slice(6 * DAY_ROWS + 54, 6 * DAY_ROWS + 96)
    share = {
        length: (scores(learned(plant(LESSON_DAYS), SeasonRule(length)), values, 14).score[noon] > 1).mean()
        for length in (DAY, WEEK)
    }
    assert share[WEEK] > 0.9
    assert share[DAY] < 0.2


def test_a_sensor_that_is_off_is_found_as_well_as_without_a_season(
    detector: SeasonalDetector, without: linear.LinearDetector
) -> None:
    values = plant(3, 14)
    values[200:, 1] += 8.0
    found = [scores(one, values, 14) for one in (detector, without)]
    odd, named = ([(one.score[210:] > 1).mean() for one in found], [_names(one, 1)[210:].mean() for one in found])
    assert odd[0] > 0.95
    assert named[0] > 0.9
    assert min(odd[0] - odd[1], named[0] - named[1]) > -0.02


def test_what_is_expected_is_what_is_usual_at_that_time(detector: SeasonalDetector) -> None:
    found = scores(detector, plant(7, 14), 14)
    assert np.abs(found.expected[:, 1] - 100 * load(times(7, 14))).mean() < 4.0
    at = times(1, 14)
    late = scores(detector, rows(at, np.full(len(at), 1.0)), 14)
    assert (late.score[20:40] > 1).all()
    assert np.abs(late.expected[20:40, 1] - 100 * load(at)[20:40]).max() < 15.0


def test_rows_whose_time_nobody_knows_are_scored_by_the_rest_alone(detector: SeasonalDetector) -> None:
    values = plant(1, 14)
    _, found = detector.score(detector.start(), values)
    _, inner = detector.inner.score(detector.inner.start(), values)
    assert found.score.tobytes() == inner.score.tobytes()
    windows = np.stack((values, values), axis=1)
    np.testing.assert_array_equal(detector.score_windows(windows).score[:, 0], found.score)


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 200), max_size=12),
    missing=st.sampled_from((0.0, 0.05, 0.7)),
    zone=st.sampled_from(("UTC", "Europe/Berlin")),
)
def test_cuts_and_restarts_change_no_bit(cuts: list[int], missing: float, zone: str) -> None:
    detector = learned(plant(4), SeasonRule(DAY, zone), 4)
    values, at = plant(200 / DAY_ROWS, 14), times(200 / DAY_ROWS, 14)
    values[np.random.default_rng(5).random(values.shape) < missing] = np.nan
    _, whole = detector.score_at(detector.start(), values, at)
    state, parts = detector.start(), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(values)], strict=True):
        packed = state.to_bytes()
        state, part = detector.score_at(detector.restore(packed), values[begin:end], at[begin:end])
        parts.append(part)
    for one, column in zip(whole, zip(*parts, strict=True), strict=True):
        assert one.tobytes() == np.concatenate(column).tobytes()
    assert np.isfinite(whole.score).all()
    np.testing.assert_allclose(whole.contribution.sum(axis=1), whole.score, rtol=1e-9, atol=1e-12)


def test_it_survives_packing_with_its_season(detector: SeasonalDetector) -> None:
    again = unpack(pack(detector, TrainingFacts(100, 600.0, 1.0)))
    assert season_of(again) == SeasonRule(WEEK)
    values = plant(2, 14)
    assert scores(again, values, 14).score.tobytes() == scores(detector, values, 14).score.tobytes()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"season": "year"}, "season"),
        ({"time_zone": "Mars/Olympus"}, "Mars"),
        ({"season_level": 0.0}, "season_level"),
        ({"inner": "coldstart"}, "inner"),
        ({"season": DAY}, "season_weekly"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    detector: SeasonalDetector, change: dict[str, object], problem: str
) -> None:
    arrays, parameters = seasonal.to_arrays(detector)
    with pytest.raises(ValueError, match=problem):
        seasonal.from_arrays(arrays, {**parameters, **change})


@pytest.mark.parametrize("name", ["daily", "scale", "limits"])
def test_an_array_that_is_missing_or_wrong_is_refused(detector: SeasonalDetector, name: str) -> None:
    arrays, parameters = seasonal.to_arrays(detector)
    key = f"season_{name}"
    for wrong in (None, np.zeros(3, np.int64), np.full_like(arrays[key], np.nan), np.full_like(arrays[key], -1.0)):
        if wrong is not None and name == "daily" and wrong.dtype.kind == "f" and np.isfinite(wrong).all():
            continue  # a season may be below the mean
        others = {one: array for one, array in arrays.items() if one != key}
        with pytest.raises(ValueError, match="season"):
            seasonal.from_arrays(others if wrong is None else {**others, key: wrong}, parameters)


def test_states_are_learned_apart_and_their_sensor_follows_no_clock() -> None:
    at = times(8)
    busy = np.where(np.arange(len(at)) % 40 < 20, load(at, sundays=False), 0.5 * load(at, sundays=False))
    mode = np.where(np.arange(len(at)) % 40 < 20, 2.0, 1.0)
    lesson = np.column_stack((rows(at, busy), mode))
    sensors, states = (*SENSORS, "mode"), States("mode")
    season, explained = learn_season(lesson, at, SeasonRule(DAY), np.array([True, True, True, False]))
    detector = seasonal.fit(
        lesson - explained,
        sensors,
        rows_per_week=PER_WEEK,
        false_alarms_per_week=1.0,
        season=season,
        inner=partial(by_state.fit, states=states),
        state_sensor="mode",
    )
    _, found = detector.score_at(detector.start(), lesson, at)
    assert (found.score > 1).mean() < 0.02
    assert not found.contribution[:, 3].any()
