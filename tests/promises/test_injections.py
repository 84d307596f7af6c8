"""Faults put into rows: only where and what they say they change."""

import doctest

import numpy as np
import pytest
from benchmarks import injections
from benchmarks.injections import FAULTS, LEAST_MOVED, Place, moved, put
from hypothesis import given
from hypothesis import strategies as st

ROWS, SENSORS = 40, 4
PLACE = Place(10, 1, 3)


def walk(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, SENSORS)).cumsum(axis=0)


def test_the_examples_hold() -> None:
    assert doctest.testmod(injections).failed == 0


@given(
    kind=st.sampled_from(sorted(FAULTS)),
    seed=st.integers(0, 1000),
    begin=st.integers(1, ROWS - 1),
    pair=st.permutations(range(SENSORS)),
)
def test_a_fault_stays_with_its_sensors_and_after_its_beginning(
    kind: str, seed: int, begin: int, pair: list[int]
) -> None:
    rows, place = walk(seed), Place(begin, pair[0], pair[1])
    before = rows.copy()
    changed = FAULTS[kind](rows, place, np.random.default_rng(seed))
    assert (rows == before).all()
    touched = {place.sensor, place.other} if kind == "swap" else {place.sensor}
    assert set(np.flatnonzero((changed != rows).any(axis=0))) <= touched
    assert (changed[:begin] == rows[:begin]).all()
    again = FAULTS[kind](rows, place, np.random.default_rng(seed))
    assert (again == changed).all()


@given(kind=st.sampled_from(sorted(FAULTS)), seed=st.integers(0, 200))
def test_a_fault_that_is_put_in_moves_its_sensor_enough(kind: str, seed: int) -> None:
    rows = walk(seed) / 4
    changed = put(kind, rows, PLACE, np.random.default_rng(seed))
    if changed is not None:
        ends = PLACE.begin + 1 if kind == "spike" else ROWS
        assert moved(rows[:ends], changed[:ends], PLACE.begin, PLACE.sensor) >= LEAST_MOVED


def test_each_fault_by_hand() -> None:
    rows, random = np.zeros((14, 4)), np.random.default_rng(0)
    rows[:, 1], rows[:, 3] = np.arange(14), 5.0
    of = {kind: fault(rows, PLACE, random)[9:, [1, 3]] - rows[9:, [1, 3]] for kind, fault in FAULTS.items()}
    assert np.abs(of["spike"][:, 0]).tolist() == [0, 8, 0, 0, 0]
    assert np.abs(of["drift"][:, 0]).tolist() == [0, 1, 2, 3, 4]
    assert of["stuck"][:, 0].tolist() == [0, -1, -2, -3, -4]
    assert of["swap"].tolist() == [[0, 0], [-5, 5], [-6, 6], [-7, 7], [-8, 8]]
    assert of["gain"][:, 0].tolist() == [0, 20, 22, 24, 26]
    assert (of["noise"][1:, 0] != 0).all()


@pytest.mark.parametrize("kind", ["stuck", "swap", "gain"])
def test_what_would_move_nothing_is_not_put_in(kind: str) -> None:
    assert put(kind, np.zeros((20, 4)), PLACE, np.random.default_rng(0)) is None


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_reading_that_is_missing_takes_no_fault(kind: str) -> None:
    rows = walk(1)
    rows[PLACE.begin, PLACE.sensor] = np.nan
    assert put(kind, rows, PLACE, np.random.default_rng(0)) is None
