"""A season is found where there is one and not where there is none, and is learned as if its own rows were unseen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock_plant import MONDAY, NS, load, plant, times  # type: ignore[import-not-found]
from iot_edge_anomaly.detection.season import DAY, WEEK, Season, SeasonRule, learn_season

HOUR = 3600 * NS
DAYS = SeasonRule(DAY)
WEEKS = SeasonRule(WEEK)


def test_a_day_is_learned_and_stands_at_every_time() -> None:
    at = times(6)
    truth = load(at, sundays=False)
    season, explained = learn_season(plant(6, sundays=False), at, DAYS)
    found = season.at(times(3, 20))[:, 0]
    wanted = load(times(3, 20), sundays=False) - truth.mean()
    assert np.abs(found - wanted).max() < 0.06
    assert np.abs(explained[:, 0] - (truth - truth.mean())).max() < 0.09


def test_a_week_knows_its_sunday_and_a_day_does_not() -> None:
    at, rows = times(28), plant(28)
    sunday = times(1, 34)
    wanted = load(sunday) - load(at).mean()
    off = {
        rule.length: np.abs(learn_season(rows, at, rule)[0].at(sunday)[:, 0] - wanted).max() for rule in (DAYS, WEEKS)
    }
    assert off[WEEK] < 0.08
    assert off[DAY] > 0.3


@pytest.mark.parametrize("rule", [DAYS, WEEKS])
def test_what_does_not_follow_the_clock_stays_nearly_as_it_is(rule: SeasonRule) -> None:
    at = times(28)
    noise = np.cumsum(np.random.default_rng(3).normal(size=(len(at), 8)), axis=0) * 0.1
    noise[:, 4:] = np.random.default_rng(4).normal(size=(len(at), 4))
    _, explained = learn_season(noise, at, rule)
    assert (explained.std(axis=0) < 0.25 * noise.std(axis=0)).all()


def test_a_period_is_told_by_the_others_alone() -> None:
    """What happens once, in one of six days, is explained in the others and not in itself."""
    at, rows = times(6), plant(6, sundays=False)
    odd = rows.copy()
    which = slice(2 * 144 + 60, 2 * 144 + 66)
    odd[which, 1] += 500.0
    calm, told = (learn_season(values, at, DAYS)[1] for values in (rows, odd))
    assert np.abs(told[which, 1] - calm[which, 1]).max() < 0.35 * 100
    assert (told[which.start - 144 : which.stop - 144, 1] - calm[which.start - 144 : which.stop - 144, 1]).max() > 50


def test_holes_and_hours_that_were_never_seen() -> None:
    at, rows = times(6), plant(6, sundays=False)
    hours = (at - MONDAY) // HOUR % 24
    seen = (hours >= 6) & (hours < 20)
    holed = rows[seen].copy()
    holed[::7, 0] = np.nan
    holed[:, 2] = np.nan
    season, explained = learn_season(holed, at[seen], DAYS)
    assert np.isfinite(explained).all()
    assert not explained[:, 2].any()
    night = season.at(MONDAY + np.array([23, 1, 3]) * HOUR)
    edges = season.at(MONDAY + np.array([39, 12]) * HOUR // 2)
    for column, slack in ((0, 0.05), (1, 5.0)):
        assert edges[:, column].min() - slack <= night[:, column].min()
        assert night[:, column].max() <= edges[:, column].max() + slack


def test_clocks_that_are_set_do_not_move_the_season() -> None:
    """By the clocks of Berlin a plant starts at six, in winter and in summer."""
    at = times(120)
    zone = SeasonRule(DAY, "Europe/Berlin")
    local = np.array([(one // NS + (7200 if one // NS >= 1_774_746_000 else 3600)) % 86_400 // 3600 for one in at])
    rows = ((local >= 6) & (local < 18)).astype(float)[:, None]
    season, _ = learn_season(rows[:10_000], at[:10_000], zone)
    plain, _ = learn_season(rows[:10_000], at[:10_000], DAYS)
    off = [
        np.abs(one.at(at[13_000:])[:, 0] + rows[:10_000].mean() - rows[13_000:, 0]).mean() for one in (season, plain)
    ]
    assert off[0] < 0.03 < 0.06 < off[1]


@pytest.mark.parametrize(("rule", "days"), [(DAYS, 1.9), (WEEKS, 13.9), (DAYS, 0)])
def test_too_few_periods_are_refused_with_how_many_it_takes(rule: SeasonRule, days: float) -> None:
    at = times(days)
    with pytest.raises(ValueError, match=f"what a {rule.length} is like takes 2"):
        learn_season(np.ones((len(at), 1)), at, rule)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(), min_size=1, max_size=40),
    st.integers(1, 3),
    st.sampled_from([DAYS, SeasonRule(DAY, "Asia/Kathmandu")]),
)
def test_no_values_make_a_season_that_is_no_number(values: list[float], sensors: int, rule: SeasonRule) -> None:
    at = times(3)
    rows = np.resize(np.array(values), (len(at), sensors))
    season, explained = learn_season(rows, at, rule)
    assert np.isfinite(season.daily).all()
    assert np.isfinite(explained).all()


def test_rows_need_no_order_and_a_sensor_that_is_not_measured_is_left_alone() -> None:
    at, rows = times(4), plant(4, sundays=False)
    order = np.random.default_rng(1).permutation(len(at))
    season, explained = learn_season(rows, at, DAYS, np.array([True, False, True]))
    other, mixed = learn_season(rows[order], at[order], DAYS, np.array([True, False, True]))
    np.testing.assert_allclose(season.daily, other.daily, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(explained[order], mixed, rtol=1e-9, atol=1e-12)
    assert not season.daily[:, :, 1].any()
    assert not explained[:, 1].any()


def test_a_flat_season_says_nothing() -> None:
    assert not Season.flat(2).at(times(2)).any()


def test_a_shift_that_begins_with_the_hour_is_a_step_and_a_slow_rise_a_slope() -> None:
    at = times(4)
    hour = (at - MONDAY) / HOUR % 24
    rows = np.stack((np.where((hour >= 6) & (hour < 14), 5.0, 1.0), np.abs(hour - 12.0)), axis=1)
    season, explained = learn_season(rows, at, DAYS)
    for told in (season.at(at), explained):
        off = np.abs(told + rows.mean(axis=0) - rows)
        assert off[:, 0].max() < 1e-9
        assert off[:, 1].max() < 0.13, "half a step of the rows, where all rows of a bin lie before its middle"
