"""Rows of a lesson that stand far out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.detection.strays import AROUND, strays


def calm(rows: int, seed: int = 1) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).standard_normal(rows)) + 0.2


@pytest.mark.parametrize("seed", range(20))
def test_noise_does_not_stand_out(seed: int) -> None:
    assert not strays(calm(600, seed)).any()


def test_a_fault_stands_out_with_the_rows_around_it() -> None:
    oddness = calm(600)
    oddness[300:320] = 40.0
    found = np.flatnonzero(strays(oddness))
    assert found[0] == 300 - AROUND
    assert 320 + AROUND <= found[-1] + 1 < 340
    assert (np.diff(found) == 1).all()


def test_what_is_a_large_part_of_a_lesson_does_not_stand_out_of_it() -> None:
    oddness = calm(600)
    oddness[300:420] = 40.0
    assert strays(oddness).sum() < 0.15 * 600


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80), st.sampled_from([0.25, 4.0, 1024.0]))
def test_the_unit_does_not_matter(values: list[float], unit: float) -> None:
    oddness = np.array(values)
    assert (strays(oddness) == strays(oddness * unit)).all()


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 8])
def test_few_rows_are_no_trouble(rows: int) -> None:
    assert not strays(np.ones(rows)).any()
