"""What every detector of the catalog promises (component/detector.py), found by trying to break it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.component.detector import Detector, DetectorSpec, Matrix, Scores
from iot_edge_anomaly.detection.catalog import DETECTORS

STATE_BYTES_A_SENSOR = 4096
STATE_BYTES_ONCE = 64

every_detector = pytest.mark.parametrize("spec", DETECTORS.values(), ids=DETECTORS)
quick = settings(max_examples=25, deadline=None)


def plant(rows: int, sensors: int, seed: int, missing: float = 0.0) -> Matrix:
    """A few slow causes behind all sensors, noise, a constant sensor now and then, holes."""
    random = np.random.default_rng(seed)
    causes = np.cumsum(random.normal(size=(rows, 3)), axis=0) * 0.1
    values = causes @ random.normal(size=(3, sensors)) + random.normal(size=(rows, sensors)) * 0.2
    values *= 10.0 ** random.integers(-3, 6, sensors)
    values[:, random.random(sensors) < 0.1] = 7.0
    values[random.random(values.shape) < missing] = np.nan
    return values


def fitted(spec: DetectorSpec, sensors: int, seed: int = 0, missing: float = 0.0) -> Detector:
    names = tuple(f"s{number}" for number in range(sensors))
    return spec.fit(plant(300, sensors, seed, missing), names, rows_per_week=604800.0, false_alarms_per_week=1.0)


def assert_sound(scores: Scores, rows: Matrix) -> None:
    assert scores.score.shape == (len(rows),)
    assert scores.expected.shape == scores.contribution.shape == rows.shape
    assert np.isfinite(scores.score).all()
    assert np.isfinite(scores.contribution).all()
    assert (scores.contribution >= 0).all()
    np.testing.assert_allclose(scores.contribution.sum(axis=1), scores.score, rtol=1e-9, atol=1e-12)
    assert not np.isinf(scores.expected).any()
    assert (scores.score[~np.isfinite(rows).any(axis=1)] == 0).all()


def assert_same(left: Scores, right: Scores) -> None:
    for one, other in zip(left, right, strict=True):
        assert one.tobytes() == other.tobytes()


def joined(parts: list[Scores]) -> Scores:
    return Scores(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@every_detector
@quick
@given(
    sensors=st.integers(1, 9),
    seed=st.integers(0, 2**16),
    missing=st.sampled_from((0.0, 0.02, 0.6)),
    cuts=st.lists(st.integers(0, 120), max_size=12),
    away=st.booleans(),
)
def test_cuts_and_restarts_change_no_bit(
    spec: DetectorSpec, sensors: int, seed: int, missing: float, cuts: list[int], away: bool
) -> None:
    detector, rows = fitted(spec, sensors, seed % 3), plant(120, sensors, seed, missing)
    if away:
        rows[20:90, 0] = np.nan
    _, whole = detector.score(detector.start(), rows)
    assert_sound(whole, rows)
    state, parts = detector.start(), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        packed = state.to_bytes()
        assert len(packed) <= STATE_BYTES_ONCE + STATE_BYTES_A_SENSOR * sensors
        assert detector.restore(packed).to_bytes() == packed
        state, part = detector.score(detector.restore(packed), rows[begin:end])
        parts.append(part)
    assert_same(joined(parts), whole)


@every_detector
@quick
@given(sensors=st.integers(1, 6), seed=st.integers(0, 2**16), row=st.integers(0, 79), wild=st.floats())
def test_a_row_knows_nothing_of_those_after_it(
    spec: DetectorSpec, sensors: int, seed: int, row: int, wild: float
) -> None:
    detector, rows = fitted(spec, sensors, seed % 3), plant(80, sensors, seed, 0.05)
    other = rows.copy()
    other[row:] = wild
    _, before = detector.score(detector.start(), rows)
    _, after = detector.score(detector.start(), other)
    assert_sound(after, other)
    assert_same(Scores(*(part[:row] for part in after)), Scores(*(part[:row] for part in before)))


@every_detector
@quick
@given(
    sensors=st.integers(1, 4),
    values=st.lists(st.floats(), min_size=4, max_size=160),
    learned=st.booleans(),
)
def test_no_values_make_a_score_that_is_no_number(
    spec: DetectorSpec, sensors: int, values: list[float], learned: bool
) -> None:
    rows = np.resize(np.array(values), (len(values) // sensors * 2 + 40, sensors))
    names = tuple(f"s{number}" for number in range(sensors))
    if learned and np.isfinite(rows).sum() > 200:
        detector = spec.fit(rows, names, rows_per_week=100.0, false_alarms_per_week=1.0)
    else:
        detector = fitted(spec, sensors)
    _, scores = detector.score(detector.start(), rows)
    assert_sound(scores, rows)


@every_detector
@pytest.mark.parametrize("sensors", [1, 2, 55, 500])
def test_any_number_of_sensors(spec: DetectorSpec, sensors: int) -> None:
    detector, rows = fitted(spec, sensors), plant(50, sensors, 1, 0.01)
    state, scores = detector.score(detector.start(), rows)
    assert_sound(scores, rows)
    assert len(state.to_bytes()) <= STATE_BYTES_ONCE + STATE_BYTES_A_SENSOR * sensors


@every_detector
def test_constants_and_nothing_at_all(spec: DetectorSpec) -> None:
    rows = np.full((200, 3), 4.0)
    rows[:, 2] = np.nan
    detector = spec.fit(rows, ("a", "b", "c"), rows_per_week=100.0, false_alarms_per_week=1.0)
    for seen in (rows, np.full((20, 3), np.nan), np.zeros((0, 3))):
        _, scores = detector.score(detector.start(), seen)
        assert_sound(scores, seen)
    assert (detector.score(detector.start(), rows)[1].score <= 1).all()


@every_detector
def test_memory_order_changes_no_bit(spec: DetectorSpec) -> None:
    detector, rows = fitted(spec, 7), plant(60, 7, 5, 0.1)
    _, by_row = detector.score(detector.start(), rows)
    _, by_column = detector.score(detector.start(), np.asfortranarray(rows))
    assert_same(by_row, Scores(*(np.ascontiguousarray(part) for part in by_column)))


@every_detector
def test_fit_is_deterministic_and_survives_packing(spec: DetectorSpec) -> None:
    once, again = (fitted(spec, 5, missing=0.1) for _ in range(2))
    arrays, parameters = spec.to_arrays(once)
    others, _ = spec.to_arrays(again)
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in others.items()
    }
    rows = plant(90, 5, 2, 0.1)
    unpacked = spec.from_arrays(arrays, parameters)
    assert (unpacked.name, unpacked.sensors) == (once.name, once.sensors)
    assert_same(once.score(once.start(), rows)[1], unpacked.score(unpacked.start(), rows)[1])


@every_detector
def test_a_state_of_other_sensors_is_refused(spec: DetectorSpec) -> None:
    packed = fitted(spec, 4).start().to_bytes()
    for wrong in (b"", packed[:-1], b"x" * len(packed), fitted(spec, 3).start().to_bytes()):
        with pytest.raises(ValueError, match="state"):
            fitted(spec, 4).restore(wrong)


@every_detector
def test_rows_that_are_no_table_are_refused(spec: DetectorSpec) -> None:
    with pytest.raises(ValueError, match="one column a sensor"):
        spec.fit(np.zeros((100, 2)), ("a",), rows_per_week=1.0, false_alarms_per_week=1.0)
