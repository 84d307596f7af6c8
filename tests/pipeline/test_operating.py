"""States by time since their last change: judged or not. However rows are cut, and from storage."""

import doctest

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.pipeline import operating
from iot_edge_anomaly.pipeline.operating import Operating, StateRule, follow, shown

OFF, START_UP, RUNNING, FAST = 0.0, 1.0, 2.0, 3.0
NEVER = np.nan
SETTLE = 5
ALL, SOME = StateRule("mode", (), SETTLE), StateRule("mode", (RUNNING, FAST), SETTLE)


@pytest.mark.parametrize("since", [0, 1, 4, 5, 6, 1000])
@pytest.mark.parametrize("state", [NEVER, OFF, START_UP, RUNNING, FAST])
@pytest.mark.parametrize("rule", [ALL, SOME, SOME._replace(settle_ns=0)], ids=["all", "some", "some-at-once"])
def test_judged_is_a_known_state_to_be_judged_that_has_settled(rule: StateRule, state: float, since: int) -> None:
    before = Operating() if np.isnan(state) else Operating(state, 100)
    _, seen = follow(before, rule, np.array([100 + since]), np.array([np.nan]))
    wanted = (rule is ALL and not np.isnan(state)) or state in (RUNNING, FAST)
    assert seen.is_judged.tolist() == [bool(wanted and since >= rule.settle_ns)]


@pytest.mark.parametrize("before", [NEVER, OFF, RUNNING])
@pytest.mark.parametrize("after", [OFF, START_UP, RUNNING, FAST])
def test_a_state_holds_until_another_is_read_and_settles_anew_only_then(before: float, after: float) -> None:
    read = np.array([before, np.nan, after, np.nan, after, *[np.nan] * 10])
    _, seen = follow(Operating(), ALL, np.arange(100, 115), read)
    begins = 0 if before == after else 2
    np.testing.assert_array_equal(seen.state, [before, before, *[after] * 13])
    assert np.flatnonzero(seen.is_judged).tolist() == list(range(begins + SETTLE, 15))


def test_what_is_not_judged_is_not_shown_and_the_state_only_to_who_knows_of_states() -> None:
    values = np.array([[1.0, OFF], [2.0, np.nan], [3.0, RUNNING]])
    _, seen = follow(Operating(RUNNING, 0), SOME._replace(settle_ns=0), np.arange(1, 4), np.array([OFF, 2.0, np.nan]))
    told = shown(values, 1, seen, takes_state=True)
    np.testing.assert_array_equal(told, [[np.nan, np.nan], [2.0, RUNNING], [3.0, RUNNING]])
    np.testing.assert_array_equal(shown(values, 1, seen, takes_state=False)[:, 1], [np.nan] * 3)
    np.testing.assert_array_equal(shown(values, None, seen, takes_state=True)[:, 1], [np.nan, np.nan, RUNNING])
    assert values[0, 0] == 1.0


@given(
    st.lists(st.tuples(st.sampled_from([OFF, RUNNING, FAST, np.nan, np.inf]), st.integers(1, 6)), max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
)
def test_cuts_and_storage_change_nothing(rows: list[tuple[float, int]], cuts: list[int]) -> None:
    read, times = np.array([state for state, _ in rows]), np.cumsum([step for _, step in rows], dtype=np.int64)
    at_once, whole = follow(Operating(), SOME, times, read)
    edges = sorted(min(cut, len(rows)) for cut in cuts)
    after, states, judged = Operating(), [], []
    for begin, end in zip([0, *edges], [*edges, len(rows)], strict=True):
        after, seen = follow(after, SOME, times[begin:end], read[begin:end])
        after = msgspec.msgpack.decode(msgspec.msgpack.encode(after), type=Operating)
        states += seen.state.tolist()
        judged += seen.is_judged.tolist()
    np.testing.assert_array_equal(states, whole.state)
    assert judged == whole.is_judged.tolist()
    assert repr(after) == repr(at_once)


def test_the_examples_hold() -> None:
    assert doctest.testmod(operating).failed == 0
