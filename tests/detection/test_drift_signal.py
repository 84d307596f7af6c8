"""The drift watch as a function of arrays: what it stays quiet about, what it finds and how soon, its hysteresis."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from drifting_plants import NS, PLANTS, Rows, watched  # type: ignore[import-not-found]
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.detection.drift import BYTES_A_SENSOR, DATA, SCORE, Watch, Yardstick, follow
from iot_edge_anomaly.detection.usual import BLOCK, ERROR, LEVEL, Usual, learn, take_usual, to_arrays

# --- hysteresis: limits at ±1, a drift is over within ±0.75


def plain(sensors: int = 2) -> Yardstick:
    """Level learned between -0.5 and 0.5 with a margin of 0.5; spread and error wide."""
    wide = np.full(sensors, 100.0)
    low, high = np.stack((np.full(sensors, -0.5), 0 * wide, 0 * wide)), np.stack((np.full(sensors, 0.5), wide, wide))
    return Yardstick(Usual(low, high, np.stack((np.full(sensors, 0.5), wide, wide)), np.zeros((3, sensors))))


def told(levels: list[float], sensors: int = 2) -> list[tuple[int, str]]:
    """Return after which blocks something is said, of blocks in which the first sensor reads these values."""
    values = np.zeros((len(levels) * BLOCK, sensors))
    values[:, 0] = np.repeat(levels, BLOCK)
    times = np.arange(len(values)) * NS
    _, drifts = follow(plain(sensors), Watch.begin(sensors), times, values, np.full(values.shape, np.nan))
    return [(drift.time_ns // NS // BLOCK, "begins" if drift.evidence else "over") for drift in drifts]


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([0.0] * 40, []),
        ([0.9] * 100, []),  # further than it was, not as far as the limit
        ([2.0] * 40, [(5, "begins")]),  # 1 - (7/8)^6 = .55 of 2
        ([-2.0] * 40, [(5, "begins")]),
        ([2.0] * 5 + [0.0] * 40, []),  # five blocks are not enough
        ([100.0] + [0.0] * 40, []),  # however far one is out
        ([100.0, 100.0] + [0.0] * 40, []),
        ([100.0] * 3 + [0.0] * 40, [(2, "begins"), (7, "over")]),
        ([2.0] * 6 + [0.9] * 200, [(5, "begins")]),  # back inside the limit, not half way back
        ([2.0] * 6 + [0.0] * 40, [(5, "begins"), (8, "over")]),
        ([2.0] * 6 + [0.0] * 40 + [2.0] * 40, [(5, "begins"), (8, "over"), (51, "begins")]),
        ([2.0] * 20 + [-2.0] * 40, [(19 - 14, "begins")]),  # through the middle in one block's step: still a drift
    ],
)
def test_a_drift_begins_once_and_is_over_once(levels: list[float], said: list[tuple[int, str]]) -> None:
    found = told(levels)
    if levels[-1] == -2.0 and levels[0] == 2.0:
        assert [what for _, what in found][:1] == ["begins"]
        assert [what for _, what in found] == ["begins", "over", "begins"][: len(found)]
    else:
        assert found == said


def test_it_is_over_when_the_last_sensor_is_back() -> None:
    values = np.zeros((60 * BLOCK, 2))
    values[: 10 * BLOCK, 0] = 2.0
    values[: 20 * BLOCK, 1] = 2.0
    _, drifts = follow(plain(), Watch.begin(2), np.arange(len(values)) * NS, values, np.full(values.shape, np.nan))
    begins, over = drifts
    assert sorted(one.sensor for one in begins.evidence) == [0, 1]
    assert over.evidence == ()
    assert over.time_ns // NS // BLOCK >= 20


def test_the_evidence_says_what_from_what_to_what_and_since_when() -> None:
    values = np.zeros((60 * BLOCK, 3))
    values[20 * BLOCK :, 1] = 3.0
    _, (drift,) = follow(plain(3), Watch.begin(3), np.arange(len(values)) * NS, values, np.full(values.shape, np.nan))
    (one,) = drift.evidence
    assert (drift.what, one.sensor, one.channel) == (DATA, 1, LEVEL)
    assert (one.value, one.low, one.high) == (pytest.approx(3.0), -0.5, 0.5)
    assert not one.is_beyond
    assert abs(one.since_ns // NS - 20 * BLOCK) <= 2 * BLOCK


# --- quiet


LESSONS = (600, 2_000)
ROWS = 20_000
RATE = 0.01
"""Drifts told of four stationary sensors in 1,000 rows: at most so many on average, by plant and length of lesson."""

RATE_OF_WIDE_WALKS = 0.2
"""... of a walk that takes longer from wall to wall than its lesson: it goes where the model has never been."""


@pytest.mark.parametrize("learned", LESSONS)
@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_that_stays_as_it_is_hardly_ever_drifts(plant: str, learned: int) -> None:
    begun = 0
    for seed in range(5):
        rows = PLANTS[plant](learned + ROWS, np.random.default_rng((seed, learned)))
        begun += sum(bool(drift.evidence) for drift in watched(rows[:learned], rows[learned:]))
    assert begun <= (RATE_OF_WIDE_WALKS if plant == "wide-walk" else RATE) * 5 * ROWS / 1_000


def test_few_rows_promise_nothing() -> None:
    random = np.random.default_rng(0)
    assert not np.isfinite(learn(random.normal(size=(310, 3)), np.full((310, 3), np.nan)).margin).any()
    slope = np.arange(2_000.0)[:, None] + random.normal(size=(2_000, 1))
    assert not np.isfinite(learn(slope, np.full((2_000, 1), np.nan)).margin[LEVEL]).any()


# --- found


SOON = 16 * BLOCK
CALM = ("white", "inert-.9", "seasonal")


def first(rows: Rows, lesson: Rows) -> tuple[int, tuple[int, ...]]:
    drifts = watched(lesson, rows)
    assert drifts, "nothing was said"
    return drifts[0].time_ns // NS, tuple(one.sensor for one in drifts[0].evidence)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("plant", CALM)
def test_a_level_that_shifts_by_one_and_a_half_training_ranges_is_found(plant: str, seed: int) -> None:
    rows = PLANTS[plant](5_000, np.random.default_rng(seed))
    lesson, later = rows[:1_000], rows[1_000:].copy()
    later[2_000:, 2] += 1.5 * np.ptp(lesson[:, 2])
    at, sensors = first(later, lesson)
    assert 2_000 < at < 2_000 + SOON
    assert sensors == (2,)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("plant", CALM)
def test_a_slow_ramp_is_found_before_it_has_gone_one_and_a_half_training_ranges(plant: str, seed: int) -> None:
    rows = PLANTS[plant](13_000, np.random.default_rng(seed))
    lesson, later = rows[:1_000], rows[1_000:].copy()
    later[2_000:, 1] -= np.linspace(0.0, 1.5 * np.ptp(lesson[:, 1]), 10_000)
    at, sensors = first(later, lesson)
    assert 2_000 < at < 12_000
    assert sensors == (1,)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("plant", ["white", "inert-.9"])
def test_a_spread_that_doubles_is_found(plant: str, seed: int) -> None:
    rows = PLANTS[plant](6_000, np.random.default_rng(seed))
    lesson, later = rows[:2_000], rows[2_000:].copy()
    later[1_000:, 3] *= 4.0 if plant == "inert-.9" else 2.0
    at, sensors = first(later, lesson)
    assert 1_000 < at < 1_000 + 2 * SOON
    assert sensors == (3,)


def test_errors_that_grow_are_a_drift_of_score() -> None:
    random = np.random.default_rng(1)
    errors = np.abs(random.normal(size=(3_000, 3)))
    later = errors[1_000:].copy()
    later[500:, 1] *= 2.5
    lesson, hidden = random.normal(size=(1_000, 3)), np.full(later.shape, np.nan)
    (drift,) = watched(lesson, hidden, errors[:1_000], later)
    assert drift.what == SCORE
    (one,) = drift.evidence
    assert (one.sensor, one.channel) == (1, ERROR)
    assert one.value / one.mean == pytest.approx(2.5, rel=0.4)
    assert 500 < drift.time_ns // NS < 500 + SOON


# --- holes, sensors that say nothing, the hugest numbers


def test_what_is_missing_does_not_count() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(size=(3_000, 3))
    rows[:, 1] = np.nan
    rows[random.random(3_000) < 0.3, 0] = np.nan
    lesson, later = rows[:1_000], rows[1_000:].copy()
    assert watched(lesson, later) == []
    later[random.random(2_000) < 0.4] = np.nan
    later[:, 1] = 1e6
    assert watched(lesson, later) == []
    later[500:, 0] += 5.0
    (drift,) = watched(lesson, later)
    assert [one.sensor for one in drift.evidence] == [0]
    later[500:, 0] = np.nan
    assert watched(lesson, later) == []


def test_a_sensor_that_never_moved_while_learning_is_not_watched() -> None:
    lesson = np.stack((np.full(1_000, 7.0), np.random.default_rng(3).normal(size=1_000)), axis=1)
    later = lesson.copy()
    later[:, 0] = 1e9
    assert watched(lesson, later) == []


@pytest.mark.parametrize("wild", [1e308, -1e308, 1e12])
def test_one_wild_reading_is_no_drift_and_nothing_overflows(wild: float) -> None:
    rows = np.random.default_rng(4).normal(size=(3_000, 2))
    rows[1_500, 0] = wild
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert watched(rows[:1_000], rows[1_000:]) == []
        rows[1_500:, 0] = wild
        (drift,) = watched(rows[:1_000], rows[1_000:])
    assert drift.evidence[0].is_beyond
    lesson = rows[:1_000].copy()
    lesson[500, 0] = wild
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learn(lesson, np.abs(lesson))


# --- cuts and storage


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.lists(st.integers(1, 1_499), max_size=30), st.booleans(), st.integers(1, 5))
def test_cuts_and_restarts_change_no_bit(seed: int, cuts: list[int], stores: bool, sensors: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(2_500, sensors))
    rows[random.random(rows.shape) < 0.1] = np.nan
    errors = np.abs(rows)
    rows[1_500:, 0] += 3.0
    errors[1_800:, -1] *= 4.0
    yardstick = Yardstick(learn(rows[:1_000], errors[:1_000]))
    later, wrong, times = rows[1_000:], errors[1_000:], np.arange(1_500) * NS
    whole, said = follow(yardstick, Watch.begin(sensors), times, later, wrong)
    watch, parts = Watch.begin(sensors), []
    edges = [0, *sorted(set(cuts)), 1_500]
    for start, stop in pairwise(edges):
        watch, found = follow(yardstick, watch, times[start:stop], later[start:stop], wrong[start:stop])
        parts += found
        if stores:
            stored = Watch.from_bytes(watch.to_bytes())
            assert stored is not None
            watch = stored
    assert len(said) >= 2
    assert parts == said
    assert watch.to_bytes() == whole.to_bytes()


def test_the_state_is_small_and_what_is_none_begins_anew() -> None:
    stored = Watch.begin(100).to_bytes()
    assert BYTES_A_SENSOR <= 64
    assert len(stored) <= 64 * 100
    for broken in (b"", b"drf", stored[:-1], b"drf0" + stored[4:], stored + b"\0"):
        assert Watch.from_bytes(broken) is None


def test_what_is_usual_goes_through_arrays_and_broken_ones_are_refused() -> None:
    rows = np.random.default_rng(5).normal(size=(1_000, 3))
    usual = learn(rows, np.abs(rows))
    arrays = dict(to_arrays(usual))
    back = take_usual({**arrays, "other": rows}, 3)
    assert back is not None
    assert all(np.array_equal(one, other) for one, other in zip(back, usual, strict=True))
    assert take_usual({"other": rows}, 3) is None
    broken = {
        "a part is missing": {name: array for name, array in arrays.items() if name != "usual_low"},
        "not a number": arrays | {"usual_low": np.full((3, 3), np.nan)},
        "no margin": arrays | {"usual_margin": np.zeros((3, 3))},
        "upside down": arrays | {"usual_low": usual.high + 1.0},
        "whole numbers": arrays | {"usual_mean": np.zeros((3, 3), np.int64)},
        "another shape": arrays | {"usual_mean": np.zeros((3, 2))},
    }
    for parts in broken.values():
        with pytest.raises(ValueError, match="usual"):
            take_usual(dict(parts), 3)
