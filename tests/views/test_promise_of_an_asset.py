"""A promise is broken where chance does not explain the alarms that nobody called right, since the model is in use."""

import math
from pathlib import Path

import msgspec
import pytest
from commits import NORMAL, NS, PUMP, TANK, UNSEEN, commit, event, outcome  # type: ignore[import-not-found]
from commits import rows as scored
from hypothesis import assume, given
from hypothesis import strategies as st
from kept import messages, records, written  # type: ignore[import-not-found]

from iot_edge_anomaly.core.outcomes import Commit, Notice
from iot_edge_anomaly.views.budget import WEEK_SECONDS
from iot_edge_anomaly.views.promise import CHANCE, Promise, PromiseState, broken, is_implausible, promise, promises
from iot_edge_anomaly.views.records import DAY_NS, LearnedAlarms

KEPT, BROKEN, UNVERIFIED = PromiseState.KEPT, PromiseState.BROKEN, PromiseState.UNVERIFIED
DAY = DAY_NS // NS


def of(right: int = 0, wrong: int = 0, unjudged: int = 0, weeks: float = 4.0, promised: float = 1.0) -> Promise:
    return promise(LearnedAlarms(PUMP, right, wrong, unjudged, weeks * WEEK_SECONDS), promised)


def chance_of_so_many(count: int, mean: float) -> float:
    """P(N >= count) of a Poisson count, term by term."""
    terms = (math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) for number in range(count))
    return 1.0 - math.fsum(terms)


@pytest.mark.parametrize(
    ("mean", "count", "chance"),
    [
        (0.5, 3, 0.014388),
        (0.5, 4, 0.001752),
        (1.0, 4, 0.018988),
        (1.0, 5, 0.003660),
        (2.0, 6, 0.016564),
        (2.0, 7, 0.004534),
        (4.0, 9, 0.021363),
        (4.0, 10, 0.008132),
        (10.0, 18, 0.014278),
        (10.0, 19, 0.007187),
    ],
)
def test_one_alarm_more_is_one_too_many(mean: float, count: int, chance: float) -> None:
    assert chance_of_so_many(count, mean) == pytest.approx(chance, abs=6e-7)
    assert is_implausible(count, mean) is (chance < CHANCE)


@given(count=st.integers(0, 300), mean=st.floats(0.001, 200.0))
def test_it_is_the_one_sided_test(count: int, mean: float) -> None:
    chance = chance_of_so_many(count, mean)
    assume(abs(chance - CHANCE) > 1e-9)
    assert is_implausible(count, mean) is (chance < CHANCE)


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (of(weeks=0.0), UNVERIFIED),
        (of(unjudged=50, weeks=0.0), UNVERIFIED),
        (of(unjudged=50, weeks=0.1), UNVERIFIED),
        (of(unjudged=50, weeks=1 / 7), BROKEN),
        (of(unjudged=2, weeks=1.0, promised=0.01), UNVERIFIED),
        (of(unjudged=3, weeks=1.0, promised=0.01), BROKEN),
        (of(weeks=2.9), UNVERIFIED),
        (of(weeks=3.0), KEPT),
        (of(unjudged=6, weeks=2.0), UNVERIFIED),
        (of(unjudged=7, weeks=2.0), BROKEN),
        (of(unjudged=9), KEPT),
        (of(wrong=4, unjudged=5), KEPT),
        (of(unjudged=10), BROKEN),
        (of(wrong=4, unjudged=6), BROKEN),
        (of(right=90, wrong=4, unjudged=5), KEPT),
        (of(unjudged=18, promised=2.5), KEPT),
        (of(unjudged=19, promised=2.5), BROKEN),
        (of(wrong=4, weeks=0.5), BROKEN),
        (of(wrong=3, weeks=0.5), UNVERIFIED),
    ],
)
def test_what_is_said(found: Promise, state: PromiseState) -> None:
    assert found.state is state


def test_it_is_said_with_its_figures() -> None:
    assert of(right=3, wrong=4, unjudged=5, weeks=2.0).words == "promised 1 a week; 9 in the last 2 weeks of watching"
    assert of(weeks=1.5, promised=0.5).words == "promised 0.5 a week; 0 in the last 10.5 days of watching"
    assert of(weeks=0.0).words == "promised 1 a week; 0 in no time of watching"


@given(counts=st.tuples(*[st.integers(0, 40)] * 3), weeks=st.floats(0.0, 4.0), promised=st.floats(0.01, 20.0))
def test_calling_an_alarm_right_never_breaks_a_promise_nor_does_a_right_one_count(
    counts: tuple[int, int, int], weeks: float, promised: float
) -> None:
    right, wrong, unjudged = counts
    before = of(right, wrong, unjudged, weeks, promised)
    assert of(right + 7, wrong, unjudged, weeks, promised) == before
    if unjudged and before.state is not BROKEN:
        assert of(right + 1, wrong, unjudged - 1, weeks, promised).state is before.state
    if before.state is BROKEN:
        assert of(right, wrong + 1, unjudged, weeks, promised).state is BROKEN


def test_each_asset_has_its_own_promise_and_broken_ones_are_named_in_order() -> None:
    learned = [LearnedAlarms(key, 0, 10, 0, 4 * WEEK_SECONDS) for key in (TANK, PUMP)]
    found = promises(learned, lambda key: 1.0 if key == PUMP else 5.0)
    assert {key: one.state for key, one in found.items()} == {PUMP: BROKEN, TANK: KEPT}
    assert [one.key for one in broken(promises(learned, lambda _: 1.0).values())] == [PUMP, TANK]


def a_day(day: int, *alarms: str, model: bool = False, seconds: int = 100) -> Commit:
    """A day of the pump: so many seconds watched, some alarms, perhaps another model at noon."""
    block = msgspec.structs.replace(scored([[1.0, 2.0]], first=day * DAY), grid_ns=seconds * NS)
    noon = day * DAY + DAY // 2
    raised = tuple(event(name, NORMAL, UNSEEN, noon + number) for number, name in enumerate(alarms, -1))
    said = (Notice("model-activated", "", "another model", noon * NS),) if model else ()
    last = commit(0, day + 1, outcome(PUMP, rows=block, alarms=raised, notices=said))
    return msgspec.structs.replace(last, now_ns=noon * NS)


def test_only_what_came_since_the_model_is_in_use_counts(tmp_path: Path) -> None:
    history = [a_day(0, "A"), a_day(1, "B", "C"), a_day(2, "D", "E", "F", model=True), a_day(3, "G")]
    written(tmp_path / "views.db", messages(history))
    kept = records(tmp_path / "views.db")
    assert kept.learned("*", 0, 4 * DAY_NS) == [LearnedAlarms(PUMP, 0, 0, 7, 400.0)]
    since = LearnedAlarms(PUMP, 0, 0, 3, 200.0)  # D came a second before the model
    assert kept.learned_since_model("*", 0, 4 * DAY_NS) == [since]
    assert kept.learned_since_model(frozenset({"acme"}), 0, 4 * DAY_NS, "acme/site") == [since]
    assert kept.learned_since_model("*", 3 * DAY_NS, 4 * DAY_NS) == [LearnedAlarms(PUMP, 0, 0, 1, 100.0)]
    assert kept.learned_since_model(frozenset({"rival"}), 0, 4 * DAY_NS) == []


def test_where_no_model_came_all_of_the_time_counts_and_assets_do_not_mix(tmp_path: Path) -> None:
    other = outcome(TANK, rows=scored([[1.0, 2.0]]), notices=(Notice("model-activated", "", "", 2 * DAY_NS),))
    last = msgspec.structs.replace(commit(0, 9, other), now_ns=3 * DAY_NS)
    written(tmp_path / "views.db", messages([a_day(0, "A"), a_day(1, "B"), last]))
    kept = records(tmp_path / "views.db")
    assert kept.learned_since_model("*", 0, 4 * DAY_NS) == [LearnedAlarms(PUMP, 0, 0, 2, 200.0)]
