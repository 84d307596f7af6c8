"""What alarms are worth: by hand, and against the definition written row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.benchmark.alarm_metrics import budget_threshold, f1, judge


def flags(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


def plain(labels: np.ndarray, alarms: np.ndarray) -> tuple[int, int, list[int]]:
    """False alarms, events and delays, row by row."""
    false, events, delays = 0, 0, []
    standing_is_true = found = False
    begin = 0
    for row, (labelled, alarm) in enumerate(zip(labels, alarms, strict=True)):
        if labelled and (row == 0 or not labels[row - 1]):
            events, begin, found = events + 1, row, False
        if alarm and (row == 0 or not alarms[row - 1]):
            standing_is_true = bool(labelled)
            false += not labelled
        if labelled and alarm and standing_is_true and not found:
            found = True
            delays.append(row - begin)
    return false, events, delays


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=st.integers(1, 60))
def test_episodes_and_delays_are_those_of_the_definition(data: st.DataObject, rows: int) -> None:
    labels, alarms = (
        np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), bool) for _ in range(2)
    )
    worth = judge(labels, alarms)
    assert (worth.false_alarms, worth.events, list(worth.delays_rows)) == plain(labels, alarms)
    assert worth.quiet_rows == int((~labels).sum())
    assert (worth.f1 is None) == (not labels.any())


@pytest.mark.parametrize(
    ("labels", "alarms", "false_alarms", "delays"),
    [
        ("..xxx..xx.", "...xx.....", 0, (1,)),
        ("..xxx..xx.", "..xxxxxxx.", 0, (0, 0)),  # raised in an event, it may stand into the next
        ("..xxx..xx.", ".xxxxxxxx.", 1, ()),  # raised on a row without a label, it finds nothing
        ("..xxx..xx.", "xxxxxxxxxx", 1, ()),  # nor does what is always in alarm
        ("..xxx..xx.", "x.x..x..x.", 2, (0, 1)),
        ("..........", ".x.x......", 2, ()),
    ],
)
def test_by_hand(labels: str, alarms: str, false_alarms: int, delays: tuple[int, ...]) -> None:
    worth = judge(flags(labels), flags(alarms))
    assert (worth.false_alarms, worth.delays_rows) == (false_alarms, delays)


def test_f1_counts_rows_and_adjusts_nothing() -> None:
    assert f1(flags("xxxxxxxx.."), flags("x.........")) == pytest.approx(2 / 9)
    assert f1(flags("xx........"), flags("..xx......")) == 0.0
    assert f1(flags("xx........"), flags("..........")) == 0.0


def test_the_threshold_of_a_peer_is_passed_as_often_as_the_budget_allows() -> None:
    training = np.arange(10_000.0)
    threshold = budget_threshold(training, rows_per_week=1_000, false_alarms_per_week=1)
    assert int((training > threshold).sum()) == 10
    assert budget_threshold(training[:100], 1e9, 1) == pytest.approx(99.0, abs=1e-3)
    assert budget_threshold(training[:0], 1_000, 1) == float("inf")
    assert budget_threshold(training, rows_per_week=0.5, false_alarms_per_week=1) == 0.0
