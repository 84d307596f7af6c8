"""Which rows and which alarms count for a false-alarm budget: against the definition written row by row."""

import doctest
from itertools import pairwise

import numpy as np
import pytest
from benchmarks import quiet_time
from benchmarks.quiet_time import begun_in, is_kept, quiet_rows, run_starts, staged
from hypothesis import given
from hypothesis import strategies as st

flags = st.lists(st.booleans(), max_size=60).map(lambda drawn: np.array(drawn, bool))


def test_the_examples_hold() -> None:
    assert doctest.testmod(quiet_time).failed == 0


@given(labels=flags, grace=st.integers(0, 20))
def test_a_row_is_quiet_where_no_label_is_on_it_or_shortly_before_it(labels: np.ndarray, grace: int) -> None:
    plain = [not labels[max(row - grace, 0) : row + 1].any() for row in range(len(labels))]
    assert quiet_rows(labels, grace).tolist() == plain


@given(alarms=flags, labels=flags)
def test_runs_are_counted_where_they_begin(alarms: np.ndarray, labels: np.ndarray) -> None:
    rows = min(len(alarms), len(labels))
    alarms, quiet = alarms[:rows], quiet_rows(labels[:rows], 5)
    plain = [row for row in range(rows) if alarms[row] and not (row and alarms[row - 1])]
    assert run_starts(alarms).tolist() == plain
    assert begun_in(run_starts(alarms), quiet) == sum(bool(quiet[row]) for row in plain)


def test_the_alarm_stage_takes_three_odd_rows_to_raise_and_ten_calm_ones_to_end() -> None:
    score = np.zeros(60)
    score[5:7] = 2.0  # too short
    score[10:14] = 2.0
    score[20:30] = 2.0  # six calm rows before: the same alarm
    score[45:50] = 2.0
    found = staged(score, 1.0)
    assert found.starts.tolist() == [12, 47]
    assert np.flatnonzero(found.stands).tolist() == [*range(12, 39), *range(47, 59)]
    assert staged(score, 300.0).starts.tolist() == [12, 47]


@given(score=st.lists(st.sampled_from((0.5, 0.95, 1.0, 1.5)), max_size=80))
def test_an_alarm_of_the_stage_is_the_third_odd_row_since_a_calm_one(score: list[float]) -> None:
    found = staged(np.array(score, np.float64), 1.0)
    starts = found.starts.tolist()
    assert run_starts(found.stands).tolist() == starts
    for row in starts:
        calm = [before for before in range(row) if score[before] < 0.9]
        assert score[row] > 1.0
        assert sum(one > 1.0 for one in score[calm[-1] if calm else 0 : row + 1]) >= 3
    for one, following in pairwise(starts):
        assert sum(between < 0.9 for between in score[one:following]) >= 10


@pytest.mark.parametrize(
    ("count", "expected", "kept"),
    [
        (0, 2.9, None),
        (0, 3.6, True),
        (0, 3.7, False),
        (1, 5.5, True),
        (1, 5.6, False),
        (30, 9, False),
    ],
)
def test_a_count_speaks_against_a_budget_only_where_it_can(count: int, expected: float, kept: bool | None) -> None:
    assert is_kept(count, expected) is kept
