"""What is said of the rows that a model was learned from."""

import numpy as np
import pytest

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.training.held_out import held_out_errors
from iot_edge_anomaly.training.remarks import oddness, remarks

NS = 1_000_000_000
T0 = 1_700_000_000
NAMES = ("flow", "pressure", "power")
WEEK = 604_800.0


def lesson(rows: int = 600, seed: int = 3) -> Matrix:
    random = np.random.default_rng(seed)
    load = np.sin(np.arange(rows) / 40.0)
    return load[:, None] * [3.0, 1.0, 2.0] + 0.1 * random.standard_normal((rows, 3)) + 10.0


def said(rows: Matrix, names: tuple[str, ...] = NAMES) -> str:
    errors = held_out_errors(fit, rows, names, WEEK, np.arange(len(rows)) == 0)
    return remarks((T0 + np.arange(len(rows))) * NS, rows, names, errors)


@pytest.mark.parametrize("seed", range(5))
def test_of_a_calm_lesson_there_is_nothing_to_say(seed: int) -> None:
    assert said(lesson(seed=seed)) == ""


@pytest.mark.parametrize("sensor", range(3))
@pytest.mark.parametrize("at", [60, 300, 570])
def test_a_fault_that_was_learned_from_is_told_with_its_time(sensor: int, at: int) -> None:
    rows = lesson()
    rows[at : at + 20, sensor] += 4.0
    text = said(rows)
    minutes, seconds = divmod(13 * 60 + 20 + at - 3, 60)
    assert f"2023-11-14 22:{minutes:02}:{seconds:02} to " in text
    assert "rows stand out" in text
    assert "learned anew" in text


def test_many_times_are_counted_and_not_listed() -> None:
    rows = lesson(2_000)
    for at in range(100, 2_000, 380):
        rows[at : at + 4, 0] += 8.0
    assert "and 2 times more" in said(rows)


def test_sensors_that_teach_nothing_are_named() -> None:
    rows = np.column_stack((lesson(), np.full(600, 7.0), np.full(600, np.nan)))
    assert said(rows, (*NAMES, "valve", "spare")) == "spare said nothing; valve never moved"


def test_more_of_them_than_anybody_reads_are_counted() -> None:
    rows = np.column_stack((lesson(), np.full((600, 5), 7.0)))
    assert said(rows, (*NAMES, *"abcde")) == "a, b, c and 2 more never moved"


def test_where_no_error_is_known_nothing_stands_out() -> None:
    rows = lesson()
    assert remarks(np.arange(600) * NS, rows, NAMES, np.full_like(rows, np.nan)) == ""
    assert (oddness(np.full((4, 3), np.nan)) == 0).all()


def test_the_sensor_that_tells_the_state_is_not_expected_to_move() -> None:
    rows = np.column_stack((lesson(), np.full(600, 2.0)))
    nothing = np.full_like(rows, np.nan)
    assert remarks(np.arange(600) * NS, rows, (*NAMES, "mode"), nothing) == "mode never moved"
    assert remarks(np.arange(600) * NS, rows, (*NAMES, "mode"), nothing, "mode") == ""
