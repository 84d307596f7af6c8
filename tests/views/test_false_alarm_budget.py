"""The false-alarm budget: intervals as the tables have them, and figures that no verdict moves the wrong way."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.budget import WEEK_SECONDS, Budget, BudgetLine, BudgetState, budget
from iot_edge_anomaly.views.poisson import between, poisson_interval
from iot_edge_anomaly.views.records import LearnedAlarms

PUMP, TANK = AssetKey("acme", "pump"), AssetKey("acme", "tank")
counts = st.integers(0, 60)
alarms = st.builds(LearnedAlarms, st.just(PUMP), counts, counts, counts, st.integers(0, 60_480_000).map(float))
promises = st.floats(0.01, 100.0)
ORDER = [BudgetState.WITHIN, BudgetState.TOO_EARLY, BudgetState.OVER]


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [
        (0, 0.000, 3.689),
        (1, 0.025, 5.572),
        (2, 0.242, 7.225),
        (3, 0.619, 8.767),
        (4, 1.090, 10.242),
        (5, 1.623, 11.668),
        (6, 2.202, 13.059),
        (7, 2.814, 14.423),
        (8, 3.454, 15.763),
        (9, 4.115, 17.085),
        (10, 4.795, 18.390),
        (20, 12.217, 30.888),
        (50, 37.111, 65.919),
        (100, 81.364, 121.627),
    ],
)
def test_the_limits_are_those_of_the_tables(count: int, low: float, high: float) -> None:
    """Garwood (1936), as in the Biometrika Tables for Statisticians (Pearson and Hartley), table 40, 95 %."""
    assert poisson_interval(count) == pytest.approx((low, high), abs=6e-4)


@given(count=st.integers(0, 5_000), more=st.integers(1, 500))
def test_limits_hold_the_count_and_grow_with_it(count: int, more: int) -> None:
    one, other = poisson_interval(count), poisson_interval(count + more)
    assert one.low <= count <= one.high
    assert one.low < other.low
    assert one.high < other.high
    assert between(count, count + more) == (one.low, other.high)


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    chance = random.Random(5)
    for mean in (0.5, 3.0, 12.0):
        drawn = [_poisson(chance, mean) for _ in range(2_000)]
        intervals = {count: poisson_interval(count) for count in set(drawn)}
        held = sum(intervals[count].low <= mean <= intervals[count].high for count in drawn)
        assert held >= 0.94 * len(drawn)


def _poisson(chance: random.Random, mean: float) -> int:
    """Draw a count (D. Knuth, The Art of Computer Programming, vol. 2, 3.4.1)."""
    count, product = 0, chance.random()
    while product > math.exp(-mean):
        count, product = count + 1, product * chance.random()
    return count


def line(right: int, wrong: int, unjudged: int, weeks: float, promised: float = 1.0) -> BudgetLine:
    found = budget([LearnedAlarms(PUMP, right, wrong, unjudged, weeks * WEEK_SECONDS)], lambda _: promised)
    return found.assets[0]


@pytest.mark.parametrize(
    ("right", "wrong", "unjudged", "weeks", "state"),
    [
        (0, 0, 0, 0.0, BudgetState.TOO_EARLY),
        (0, 5, 5, 0.0, BudgetState.TOO_EARLY),
        (0, 0, 0, 1.0, BudgetState.TOO_EARLY),
        (0, 0, 0, 4.0, BudgetState.WITHIN),
        (9, 3, 1, 4.0, BudgetState.WITHIN),
        (0, 3, 2, 4.0, BudgetState.TOO_EARLY),
        (0, 6, 0, 4.0, BudgetState.TOO_EARLY),
        (0, 10, 0, 4.0, BudgetState.OVER),
        (0, 0, 50, 4.0, BudgetState.TOO_EARLY),
        (50, 0, 0, 4.0, BudgetState.WITHIN),
        (0, 4, 0, 0.5, BudgetState.OVER),
    ],
)
def test_what_is_said(right: int, wrong: int, unjudged: int, weeks: float, state: BudgetState) -> None:
    found = line(right, wrong, unjudged, weeks)
    assert found.state is state
    assert found.words.startswith(state.value)


def test_words_say_what_would_tell_more() -> None:
    assert line(0, 3, 2, 4.0).words == (
        "too early to say: 3 judged wrong and 2 not judged in 4.0 weeks, 4.0 allowed; judging those that are open "
        "tells more"
    )
    assert line(0, 0, 0, 0.0).words == "too early to say: no calibrated model has watched yet"
    assert line(0, 1, 0, 4.0).words == "within budget: 1 judged wrong in 4.0 weeks, 4.0 allowed"


@given(of=alarms, promised=promises)
def test_rates_lie_where_they_must(of: LearnedAlarms, promised: float) -> None:
    found = line(of.right, of.wrong, of.unjudged, of.watched_seconds / WEEK_SECONDS, promised)
    if found.watched_seconds == 0:
        assert found.wrong_per_week is found.most_per_week is found.interval is None
        return
    assert found.interval is not None
    assert found.wrong_per_week is not None
    assert found.most_per_week is not None
    assert found.interval.low <= found.wrong_per_week <= found.most_per_week <= found.interval.high


@given(of=alarms, promised=promises, more=st.integers(1, 20))
def test_more_wrong_alarms_never_look_better_and_right_ones_change_nothing(
    of: LearnedAlarms, promised: float, more: int
) -> None:
    weeks = of.watched_seconds / WEEK_SECONDS
    before = line(of.right, of.wrong, of.unjudged, weeks, promised)
    worse = line(of.right, of.wrong + more, of.unjudged, weeks, promised)
    same = line(of.right + more, of.wrong, of.unjudged, weeks, promised)
    assert ORDER.index(worse.state) >= ORDER.index(before.state)
    assert same[7:] == before[7:]


@given(of=alarms, promised=promises)
def test_judging_an_alarm_right_never_looks_worse_and_narrows_the_interval(of: LearnedAlarms, promised: float) -> None:
    if not of.unjudged or not of.watched_seconds:
        return
    weeks = of.watched_seconds / WEEK_SECONDS
    before = line(of.right, of.wrong, of.unjudged, weeks, promised)
    after = line(of.right + 1, of.wrong, of.unjudged - 1, weeks, promised)
    assert ORDER.index(after.state) <= ORDER.index(before.state)
    assert before.interval is not None
    assert after.interval is not None
    assert after.interval.low == before.interval.low
    assert after.interval.high < before.interval.high


def test_the_fleet_is_what_its_assets_are_together() -> None:
    of = [LearnedAlarms(PUMP, 1, 2, 3, 2 * WEEK_SECONDS), LearnedAlarms(TANK, 4, 5, 6, 4 * WEEK_SECONDS)]
    found: Budget = budget(of, lambda key: 2.0 if key == PUMP else 0.5)
    fleet = found.fleet
    assert [each.key for each in found.assets] == [PUMP, TANK]
    assert (fleet.key, fleet.right, fleet.wrong, fleet.unjudged) == (None, 5, 7, 9)
    assert fleet.allowed == pytest.approx(2 * 2.0 + 4 * 0.5)
    assert fleet.promised_per_week == pytest.approx(1.0)
    assert fleet.wrong_per_week == pytest.approx(7 / 6)


def test_nothing_yet_is_too_early() -> None:
    found = budget([], lambda _: 1.0)
    assert found.assets == ()
    assert found.fleet.state is BudgetState.TOO_EARLY
