"""Trends: the rows that were asked for, in order; thinned so that nothing that stands out is lost."""

from datetime import timedelta

import numpy as np
from commits import NS, rows  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iot_edge_anomaly.core.thinning import thinned
from iot_edge_anomaly.views.trend import Trend

FIGURES = st.one_of(st.floats(-1e6, 1e6), st.just(np.nan))


def test_an_empty_trend_has_no_view() -> None:
    assert Trend().view(timedelta(seconds=1)) is None


def test_a_span_ends_at_the_newest_row() -> None:
    trend = Trend()
    for number in range(50):
        trend.add(rows([[number, number]], first=number))
    view = trend.view(timedelta(seconds=9))
    assert view is not None
    assert view.times.tolist() == [second * NS for second in range(40, 50)]
    assert view.values[:, 1].tolist() == list(range(40, 50))
    assert view.contributions[-1].tolist() == np.full(2, np.float32(2.45)).tolist()


def test_sensors_that_come_later_are_empty_before() -> None:
    trend = Trend()
    trend.add(rows([[1.0, 2.0]], sensors=("flow", "level")))
    trend.add(rows([[2.0, 9.0, 4.0]], first=1, sensors=("level", "vibration", "flow")))
    view = trend.view()
    assert view is not None
    assert view.sensors == ("level", "vibration", "flow")
    np.testing.assert_array_equal(view.values, [[2.0, np.nan, 1.0], [2.0, 9.0, 4.0]])
    np.testing.assert_array_equal(np.isnan(view.contributions), [[False, True, False], [False] * 3])
    assert view.quality.tolist() == [0, 0]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=400), st.integers(5, 60))
def test_rows_are_never_lost_or_doubled_by_joining_and_dropping(sizes: list[int], most_rows: int) -> None:
    trend, count = Trend(most_rows), 0
    for size in sizes:
        trend.add(rows([[number, 0.0] for number in range(count, count + size)], first=count))
        count += size
    view = trend.view()
    assert view is not None
    kept = len(view.times)
    assert view.values[:, 0].tolist() == list(range(count - kept, count))
    assert min(count, most_rows) <= kept
    assert trend.rows == kept


@given(arrays(np.float64, st.integers(1, 400), elements=st.floats(0, 100)), st.data(), st.integers(4, 200))
def test_thinning_keeps_ends_and_extremes_and_the_bound(
    score: np.ndarray, data: st.DataObject, most_points: int
) -> None:
    width = data.draw(st.integers(1, 6))
    values = data.draw(arrays(np.float64, (len(score), width), elements=FIGURES))
    chosen = thinned(score, values, most_points)
    assert len(chosen) <= most_points
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] == 0
    assert chosen[-1] == len(score) - 1
    assert score[chosen].max() == score.max()
    assert score[chosen].min() == score.min()
    if most_points >= 8 * (2 * (width + 1) + 2):
        for column in values.T:
            if np.isfinite(column).any():
                assert np.nanmax(column[chosen]) == np.nanmax(column)
                assert np.nanmin(column[chosen]) == np.nanmin(column)


def test_one_odd_row_among_many_is_still_seen() -> None:
    score = np.zeros(100_000)
    score[77_777] = 3.0
    assert 77_777 in thinned(score, np.zeros((100_000, 5)), 240)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=60), st.integers(5, 30))
def test_what_a_view_shows_never_changes(sizes: list[int], most_rows: int) -> None:
    trend, count, shown = Trend(most_rows), 0, []
    for number, size in enumerate(sizes):
        sensors = ("flow", "level") if number < len(sizes) // 2 else ("flow", "level", "later")
        values = [[float(row)] * len(sensors) for row in range(count, count + size)]
        trend.add(rows(values, first=count, sensors=sensors))
        count += size
        view = trend.view(timedelta(seconds=20))
        assert view is not None
        shown.append((view, [column.copy() for column in view[1:]]))
        if number % 5 == 4:
            trend.forget(0.3)
    for view, before in shown:
        for column, known in zip(view[1:], before, strict=True):
            np.testing.assert_array_equal(column, known)


def test_a_look_at_a_long_trend_copies_nothing_of_it() -> None:
    trend = Trend()
    for number in range(200):
        trend.add(rows(np.ones((100, 2)).tolist(), first=100 * number))
    one, other = trend.view(), trend.view(timedelta(minutes=2))
    assert one is not None
    assert other is not None
    assert len(one.times) == 20_000
    assert len(other.times) == 121
    assert np.shares_memory(one.values, other.values)
    assert np.shares_memory(one.times, other.times)


def test_what_is_forgotten_gives_its_room_back() -> None:
    trend = Trend()
    trend.add(rows(np.ones((1_000, 2)).tolist()))
    before = trend.bytes
    for _ in range(100):
        trend.forget(0.1)
    view = trend.view()
    assert view is not None
    assert view.times.tolist() == [999 * NS]
    assert trend.bytes < before / 10
    assert view.times.base is not None
    assert view.times.base.nbytes < before / 10
