import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded_plant import PUMP_1, PUMP_2, SeededPlant  # type: ignore[import-not-found]

from iot_edge_anomaly.console import trend
from iot_edge_anomaly.core.clock import ManualClock

STEP = 100_000_000
SPAN = timedelta(seconds=trend.SPAN_SECONDS)


@given(st.lists(st.floats(0, 50), min_size=1, max_size=2000), st.integers(2, 300), st.integers(0, 10**6))
def test_a_thinned_chart_keeps_the_oddest_row_and_the_newest(scores: list[float], points: int, start: int) -> None:
    score = np.array(scores)
    times = (start + np.arange(len(score))) * STEP
    kept = trend.thin(times, score, points)
    assert score[kept].max() == score.max()
    assert kept[-1] == len(score) - 1
    assert np.all(np.diff(kept) > 0)
    assert len(kept) <= 2 * points + 3


def test_a_chart_that_moves_on_does_not_flicker() -> None:
    random = np.random.default_rng(1)
    score, times = random.random(1300), np.arange(1300) * STEP
    before = times[:1200][trend.thin(times[:1200], score[:1200])]
    after = times[50:1250][trend.thin(times[50:1250], score[50:1250])]
    both = (times[60], times[1180])
    assert [t for t in before if both[0] <= t <= both[1]] == [t for t in after if both[0] <= t <= both[1]]


@pytest.mark.parametrize(
    ("highest", "step", "top"),
    [(0.2, 0.25, 1.25), (1.3, 0.5, 1.5), (1.85, 0.5, 2.0), (4.9, 2.0, 6.0), (60.0, 25.0, 75.0)],
)
def test_the_score_axis_holds_threshold_and_scores(highest: float, step: float, top: float) -> None:
    times = np.array([0, STEP])
    chart = trend.options("Flow", "m³/h")
    rows = trend.TrendView(("a",), times, np.array([0.0, highest]), *np.zeros((2, 2, 1)), np.ones(1))
    trend.fill(chart, rows, "a")
    assert (chart["yAxis"][0]["interval"], chart["yAxis"][0]["max"]) == (step, top)


def test_a_filled_chart_is_valid_json_with_holes_as_null() -> None:
    clock = ManualClock(1_700_000_000 * 10**9)
    plant = SeededPlant(clock)
    for key in (PUMP_1, PUMP_2):
        chart = trend.options("Flow", "m³/h")
        rows = plant.trend(key, SPAN)
        trend.fill(chart, rows, "flow")
        json.dumps(chart, allow_nan=False)
        assert all(series["data"] for series in chart["series"])
    assert {value for _, value in chart["series"][3]["data"]} == {None}


def test_what_is_above_the_threshold_is_drawn_over_the_grey_line_without_a_gap() -> None:
    score = np.array([0.2, 0.3, 1.4, 1.5, 0.6, 0.2])
    rows = trend.TrendView(("a",), np.arange(6) * STEP, score, *np.zeros((2, 6, 1)), np.ones(1))
    chart = trend.options("A", "")
    trend.fill(chart, rows, "a")
    assert [value for _, value in chart["series"][1]["data"]] == [None, 0.3, 1.4, 1.5, 0.6, None]


@pytest.mark.parametrize(("seconds", "shown"), [(1, 20), (20, 20), (60, 60), (120, 120), (500, 120)])
def test_the_time_axis_grows_with_the_rows_up_to_its_span(seconds: int, shown: int) -> None:
    count = seconds * 10 + 1
    rows = trend.TrendView(("a",), np.arange(count) * STEP, np.zeros(count), *np.zeros((2, count, 1)), np.ones(1))
    chart = trend.options("A", "")
    trend.fill(chart, rows, "a")
    for axis in chart["xAxis"]:
        assert (axis["max"] - axis["min"]) / 1000 == pytest.approx(shown, abs=2.5)
