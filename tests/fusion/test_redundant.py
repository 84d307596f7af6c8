"""Several sensors of one quantity: who is believed, who loses trust and regains it, and what is read meanwhile."""

import doctest
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.fusion import redundant
from iot_edge_anomaly.fusion.redundant import IN, OUT, Choice, Read, Trust, read_as_one

THREE = [Trust()] * 3
NAN = float("nan")
every_choice = pytest.mark.parametrize("choice", Choice)


def read(rows: list[list[float]], choice: Choice = Choice.MEDIAN, tolerance: float = 1.0) -> Read:
    return read_as_one([Trust()] * len(rows[0]), np.array(rows, float), choice, tolerance)[1]


def test_its_example() -> None:
    assert doctest.testmod(redundant).failed == 0


@pytest.mark.parametrize(
    ("row", "choice", "value", "is_conflict"),
    [
        ([1.0, 1.2, 1.4], Choice.PRIORITY, 1.0, False),
        ([1.0, 1.2, 1.4], Choice.MEDIAN, 1.2, False),
        ([9.0, 1.2, 1.4], Choice.PRIORITY, 1.2, True),
        ([9.0, 1.2, 1.4], Choice.MEDIAN, 1.3, True),
        ([9.0, 1.2, 1.4], Choice.WEIGHTED, 1.3, True),
        ([NAN, 1.2, 1.4], Choice.PRIORITY, 1.2, False),
        ([NAN, NAN, 1.4], Choice.MEDIAN, 1.4, False),
        ([NAN, NAN, NAN], Choice.MEDIAN, NAN, False),
        ([1.0, 5.0, NAN], Choice.PRIORITY, 1.0, True),
        ([1.0, 5.0, NAN], Choice.MEDIAN, 1.0, True),
        ([float("inf"), 1.0, 1.2], Choice.PRIORITY, 1.0, False),
        ([1.0, 5.0, 9.0], Choice.WEIGHTED, 1.0, True),
        ([1.0, 1.2, 5.0, 5.2], Choice.MEDIAN, 1.0, True),
        ([1.0, 1.2, 1.4, 5.2], Choice.MEDIAN, 1.2, True),
    ],
)
def test_what_is_read_of_one_row(row: list[float], choice: Choice, value: float, is_conflict: bool) -> None:
    found = read([row], choice)
    np.testing.assert_allclose(found.value, [value], rtol=1e-3)
    assert found.is_conflict.tolist() == [is_conflict]


def test_who_is_off_loses_its_vote_and_has_it_again_after_it_has_agreed_for_long() -> None:
    rows = [[1.0, 1.1, 9.0]] * 5 + [[1.0, 1.1, 1.2]] * 100
    votes = read(rows).has_vote[:, 2]
    out = int(np.flatnonzero(~votes)[0])
    back = int(np.flatnonzero(votes[5:])[0])
    assert out == 2
    assert 50 < back < 90
    assert votes[5 + back :].all()


def test_one_row_of_noise_costs_no_vote() -> None:
    assert read([[1.0, 1.1, 9.0], *[[1.0, 1.1, 1.2]] * 20] * 5).has_vote.all()


def test_where_voters_do_not_settle_it_all_that_are_there_are_asked() -> None:
    """One that lost its vote and is right again sides with one of two that disagree, and regains its trust."""
    rows = [[1.0, 1.1, 9.0]] * 10 + [[1.0, 1.1, 1.2]] * 50 + [[9.0, 1.1, 1.2]] * 200
    found = read(rows)
    assert np.abs(found.value - 1.1).max() < 0.11
    assert found.has_vote[-1].tolist() == [False, True, True]


def test_a_lone_voter_that_is_wrong_does_not_win_for_ever() -> None:
    rows = [[10.0, 15.0, 20.0]] * 3 + [[10.0, 15.0, 10.0]] * 300
    after, found = read_as_one(
        [Trust(0.3, has_vote=False), Trust(), Trust(0.3, has_vote=False)], np.array(rows), Choice.MEDIAN, 1.0
    )
    assert found.value[3:].tolist() == [10.0] * 300
    assert found.is_conflict[3]
    assert not found.is_conflict[-1]
    assert [trust.has_vote for trust in after] == [True, False, True]


def test_two_against_two_cost_nobody_its_vote() -> None:
    after, found = read_as_one([Trust()] * 4, np.array([[1.0, 1.1, 5.0, 5.1]] * 50), Choice.MEDIAN, 1.0)
    assert found.value.tolist() == [1.0] * 50
    assert found.is_conflict.all()
    assert all(trust.has_vote for trust in after)


def test_two_that_disagree_keep_their_trust_and_the_first_is_followed() -> None:
    after, found = read_as_one([Trust(), Trust()], np.array([[1.0, 5.0]] * 50), Choice.MEDIAN, 1.0)
    assert found.value.tolist() == [1.0] * 50
    assert found.is_conflict.all()
    assert all(trust.has_vote and trust.level == 1.0 for trust in after)


def test_where_nobody_is_trusted_the_others_are_asked_and_it_is_a_conflict() -> None:
    lost = Trust(0.1, has_vote=False)
    _, found = read_as_one([lost] * 3, np.array([[1.0, 1.1, 1.2]]), Choice.MEDIAN, 1.0)
    assert (found.value.tolist(), found.is_conflict.tolist()) == ([1.1], [True])


def test_the_less_noisy_ones_weigh_more() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(4000, 3)) * np.array([0.02, 0.05, 0.3])
    errors = {
        choice: float(np.sqrt((read_as_one(THREE, rows, choice, 1.0)[1].value[1000:] ** 2).mean()))
        for choice in (Choice.MEDIAN, Choice.WEIGHTED)
    }
    assert errors[Choice.WEIGHTED] < 0.05
    assert errors[Choice.WEIGHTED] < errors[Choice.MEDIAN]


numbers = st.one_of(st.floats(-1e100, 1e100), st.floats(-2, 2), st.sampled_from((NAN, float("inf"))))


@every_choice
@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_cuts_change_no_bit_and_what_is_read_lies_among_what_is_followed(
    choice: Choice, lines: list[tuple[float, float, float]], cuts: list[int]
) -> None:
    rows = np.array(lines)
    after, whole = read_as_one(THREE, rows, choice, 0.5)
    trusts, parts = tuple(THREE), []
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    for begin, end in pairwise(edges):
        trusts, part = read_as_one(trusts, rows[begin:end], choice, 0.5)
        parts.append(part)
    assert trusts == after
    for one, column in zip(whole, zip(*parts, strict=True), strict=True):
        assert one.tobytes() == np.concatenate(column).tobytes()
    finite = np.isfinite(rows)
    assert (np.isfinite(whole.value) == finite.any(axis=1)).all()
    low = np.where(whole.follows, rows, np.inf).min(axis=1)
    high = np.where(whole.follows, rows, -np.inf).max(axis=1)
    read_ = finite.any(axis=1)
    slack = 1e-12 * np.maximum(np.abs(low), np.abs(high))[read_] + 1e-300  # a weighed mean of the least floats rounds
    assert (whole.value[read_] >= low[read_] - slack).all()
    assert (whole.value[read_] <= high[read_] + slack).all()
    assert not (whole.follows & ~finite).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=80))
def test_trust_stays_between_nothing_and_whole_and_the_vote_follows_it(lines: list[tuple[float, float, float]]) -> None:
    trusts = tuple(THREE)
    for line in lines:
        before = trusts
        trusts, _ = read_as_one(trusts, np.array([line]), Choice.MEDIAN, 0.5)
        for was, now in zip(before, trusts, strict=True):
            assert 0.0 <= now.level <= 1.0
            assert np.isfinite(now.noise)
            assert not was.has_vote or now.has_vote or now.level < OUT
            assert was.has_vote or not now.has_vote or now.level > IN
