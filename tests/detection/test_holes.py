"""What is missing is put in from what is there, for a bounded effort however the holes change."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.holes import HOLD_ROWS
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.detection.linear_model import LinearDetector

SENSORS = 8
FULL = SENSORS**3
HOLES = "iot_edge_anomaly.detection.holes"


def detector() -> LinearDetector:
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 1)) + random.normal(size=(300, SENSORS)) * 0.1
    names = tuple(f"s{number}" for number in range(SENSORS))
    return fit(rows, names, rows_per_week=604_800.0, false_alarms_per_week=1.0)


DETECTOR = detector()


def flickering(rows: int, seed: int) -> Matrix:
    """Rows in each few of which other sensors are away."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 1)) + random.normal(size=(rows, SENSORS)) * 0.1
    for start in range(0, rows, 2 * HOLD_ROWS):
        values[start : start + 2 * HOLD_ROWS, random.permutation(SENSORS)[: random.integers(1, SENSORS)]] = np.nan
    return values


def work(monkeypatch: pytest.MonkeyPatch, rows: Matrix) -> int:
    """Return how much was solved: for each set of missing sensors its size squared, times all sensors."""
    monkeypatch.setattr(f"{HOLES}._CACHED_PATTERNS", 10_000)
    fresh = LinearDetector(DETECTOR.model)
    fresh.score(fresh.start(), rows)
    return sum(sum(missing) ** 2 * SENSORS for missing in fresh._imputer._weights)


def test_ever_new_holes_cost_no_more_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = flickering(600, seed=1)
    freely = work(monkeypatch, rows)
    monkeypatch.setattr(f"{HOLES}.MOST_WORK", 0)
    monkeypatch.setattr(f"{HOLES}.WORK_A_ROW", 1)
    assert 0 < work(monkeypatch, rows) <= FULL + len(rows) < freely


def test_holes_that_stay_are_filled_once_there_is_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = flickering(600, seed=2)
    rows[300:] = np.random.default_rng(3).normal(size=(300, 1))
    rows[300:, :5] = np.nan
    _, freely = DETECTOR.score(DETECTOR.start(), rows)
    monkeypatch.setattr(f"{HOLES}.MOST_WORK", 0)
    monkeypatch.setattr(f"{HOLES}.WORK_A_ROW", 1)
    _, sparingly = DETECTOR.score(DETECTOR.start(), rows)
    assert not np.array_equal(freely.expected[:300], sparingly.expected[:300], equal_nan=True)
    settled = 300 + 5 * 5 * SENSORS + 2 * HOLD_ROWS
    assert np.array_equal(freely.expected[settled:], sparingly.expected[settled:], equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 50), st.integers(0, 20), st.integers(0, FULL), st.lists(st.integers(1, 119), max_size=12))
def test_what_is_allowed_does_not_depend_on_the_cut(seed: int, a_row: int, most: int, cuts: list[int]) -> None:
    rows = flickering(120, seed)
    rows[40:60] = 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{HOLES}.MOST_WORK", most)
        patch.setattr(f"{HOLES}.WORK_A_ROW", a_row)
        last, whole = DETECTOR.score(DETECTOR.start(), rows)
        state, parts = DETECTOR.start(), []
        for start, stop in pairwise([0, *sorted(set(cuts)), len(rows)]):
            fresh = LinearDetector(DETECTOR.model)
            state, scores = fresh.score(fresh.restore(state.to_bytes()), rows[start:stop])
            parts.append(scores.contribution)
        assert state.to_bytes() == last.to_bytes()
        assert np.concatenate(parts).tobytes() == whole.contribution.tobytes()
