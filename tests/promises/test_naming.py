"""Rankings of sensors: chance by counting all of them, and scales that holes and still sensors do not spoil."""

import doctest
from itertools import combinations

import numpy as np
import pytest
from benchmarks import naming, root_cause_events
from benchmarks.naming import chance, is_named, learn_scale, ranking, zscores
from hypothesis import given
from hypothesis import strategies as st


def test_the_examples_hold() -> None:
    assert doctest.testmod(naming).failed == 0
    assert doctest.testmod(root_cause_events).failed == 0


@given(columns=st.integers(1, 8), right=st.integers(0, 8), first=st.integers(1, 4))
def test_chance_is_the_share_of_all_choices(columns: int, right: int, first: int) -> None:
    right = min(right, columns)
    choices = list(combinations(range(columns), min(first, columns)))
    named = sum(is_named(list(choice), set(range(right)), first) for choice in choices)
    assert chance(columns, right, first) == pytest.approx(named / len(choices))


@given(order=st.permutations(range(6)))
def test_a_ranking_puts_the_greatest_sum_first(order: list[int]) -> None:
    parts = np.zeros((3, 6))
    for place, column in enumerate(order):
        parts[place % 3, column] = 6 - place
    assert ranking(parts) == order


def test_only_the_first_three_are_looked_at() -> None:
    assert is_named([4, 2, 1, 0], {1})
    assert not is_named([4, 2, 1, 0], {0, 3})


def test_a_scale_is_learned_of_what_is_known() -> None:
    train = np.array([[1.0, np.nan, 7.0, np.nan], [3.0, 2.0, 7.0, np.nan], [np.nan, 6.0, 7.0, np.nan]])
    scale = learn_scale(train)
    assert scale.mean.tolist() == [2.0, 4.0, 7.0, 0.0]
    assert scale.deviation.tolist() == [1.0, 2.0, 1.0, 1.0]
    assert scale.moves.tolist() == [True, True, False, False]
    assert zscores(train, np.array([[4.0, 0.0, 9.0, np.nan]]))[0, :3].tolist() == [2.0, 2.0, 2.0]
