"""What a backtest says of a sensor, an alarm and a fit; what its drawings show."""

import doctest
import re

import numpy as np
import pytest

from backtest_pump import NS, STEP_NS, pump_past, pump_plan, pump_rows, with_fault  # type: ignore[import-not-found]
from iot_edge_anomaly.backtest import times as times_room
from iot_edge_anomaly.backtest import words as words_room
from iot_edge_anomaly.backtest.page import backtest_page, telling
from iot_edge_anomaly.backtest.plot import MOST_SCORE, Drawn, View, drawn, score_panel, sensor_panel, time_axis
from iot_edge_anomaly.backtest.run import backtest
from iot_edge_anomaly.backtest.times import Times
from iot_edge_anomaly.backtest.words import sensor_words
from iot_edge_anomaly.core.outcomes import Contributor

FLOW = Drawn("flow", "m³/h", limits=(2.0, 99.0))


@pytest.mark.parametrize("room", [times_room, words_room])
def test_the_examples_hold(room: object) -> None:
    assert doctest.testmod(room).failed == 0  # type: ignore[arg-type]  # a module


def test_a_sensor_that_is_missing_or_not_predicted() -> None:
    assert sensor_words(Contributor("flow", 0.5, np.nan, 3.0)) == " 50%  flow: missing, expected 3"
    assert sensor_words(Contributor("flow", 1.0, 2.5, np.nan, "bar")) == "100%  flow: 2.5 bar"


def test_no_peak_is_lost_in_a_drawing() -> None:
    values = np.zeros(100_000)
    values[77_777], values[3] = 9.0, -4.0
    values[50_000:50_010] = np.nan
    lines = drawn(np.arange(100_000) * NS, values, View(0, 99_999 * NS))
    assert len(lines.at_ns) <= 801
    assert (lines.high.max(), lines.low.min()) == (9.0, -4.0)


def test_a_line_is_broken_where_no_rows_are() -> None:
    times = np.concatenate((np.arange(100), np.arange(500, 600))) * NS
    view = View(0, 599 * NS)
    assert score_panel(times, np.ones(200), view).count("<polyline") == 2
    assert sensor_panel(FLOW, times, np.ones(200), np.full(200, np.nan), view).count("<polygon") == 2


def test_limits_are_drawn_where_values_come_near() -> None:
    rising = np.linspace(0, 3, 50)
    assert sensor_panel(FLOW, np.arange(50) * NS, rising, rising, View(0, 49 * NS)).count("<line") == 1


def test_what_holds_nothing_is_drawn_all_the_same() -> None:
    nothing, view = np.full(5, np.nan), View(0, 4 * NS)
    assert "<svg" in sensor_panel(FLOW, np.arange(5) * NS, nothing, nothing, view)
    assert "drawn up to" in score_panel(np.arange(5) * NS, np.full(5, 2 * MOST_SCORE), view)
    assert "<svg" in time_axis(View(0, 0), Times())


@pytest.mark.parametrize("seconds", [3, 90, 4_000, 90_000, 3_000_000, 200_000_000])
def test_an_axis_has_a_few_times(seconds: int) -> None:
    since_ns = 1_767_571_207 * NS
    for times in (Times(), Times(1e9)):
        shown = re.findall(r"<text", time_axis(View(since_ns, since_ns + seconds * NS), times))
        assert 1 <= len(shown) <= 8


def test_the_sensors_that_tell_most_are_those_of_the_alarms() -> None:
    outcome = backtest(pump_past(with_fault(pump_rows(1_500), 1_200, 40)), pump_plan(1_000))
    assert telling(outcome) == [0, 1, 2]
    page = backtest_page("pump", outcome, Times(), {"alarms": "one"})
    drawings = page.count("<figure")
    assert drawings == 1 + len(outcome.alarms)
    assert page.count("<svg") == 5 * drawings
    assert outcome.last_ns - outcome.first_ns == 499 * STEP_NS
