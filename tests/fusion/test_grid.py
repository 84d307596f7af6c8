"""Readings onto a grid by event time: any order gives the same rows, and every value goes to the cell it belongs to."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.fusion.grid import close_cells, hold_last, watermark

GRID = 10
LONG_AGO = -(1 << 62)

reading = st.tuples(st.integers(-50, 200), st.integers(0, 2), st.floats(-1e9, 1e9))
readings = st.lists(reading, min_size=1, max_size=40)


def closed(given_readings: list[tuple[int, int, float]]) -> tuple[np.ndarray, np.ndarray]:
    times, sensors, values = zip(*given_readings, strict=True)
    return close_cells(
        np.array(times, np.int64), np.array(sensors, np.int64), np.array(values, float), grid_ns=GRID, sensors=3
    )


def by_hand(given_readings: list[tuple[int, int, float]]) -> dict[tuple[int, int], float]:
    """The latest by event time in each cell, of equal times the one that arrived last."""
    cells: dict[tuple[int, int], tuple[int, float]] = {}
    for time, sensor, value in given_readings:
        place = (time // GRID * GRID, sensor)
        if place not in cells or time >= cells[place][0]:
            cells[place] = (time, value)
    return {place: value for place, (_, value) in cells.items()}


@given(readings)
def test_each_cell_holds_the_latest_of_its_readings_and_nothing_else(
    given_readings: list[tuple[int, int, float]],
) -> None:
    starts, rows = closed(given_readings)
    assert (np.diff(starts) > 0).all()
    assert (starts % GRID == 0).all()
    found = {
        (int(start), sensor): float(rows[row, sensor])
        for row, start in enumerate(starts)
        for sensor in range(3)
        if np.isfinite(rows[row, sensor])
    }
    assert found == by_hand(given_readings)
    assert np.isfinite(rows).any(axis=1).all()


@given(st.lists(reading, min_size=1, max_size=40, unique_by=lambda one: one[:2]), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(given_readings: list[tuple[int, int, float]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(given_readings)
    random.shuffle(shuffled)
    for one, other in zip(closed(given_readings), closed(shuffled), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("time", [0, -1, 4_102_444_800 * 10**9, -(1 << 61), (1 << 62) - GRID])
def test_times_long_ago_and_far_off_have_their_cell(time: int) -> None:
    starts, rows = closed([(time, 0, 1.5)])
    assert starts.tolist() == [time // GRID * GRID]
    assert rows[0, 0] == 1.5


table = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.sampled_from([1.0, 2.0, np.nan]), min_size=2, max_size=2)),
    min_size=1,
    max_size=25,
)


def held(
    values: np.ndarray, times: np.ndarray, before: tuple[np.ndarray, np.ndarray], hold: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    filled, *after = hold_last(values, times, *before, hold)
    return filled, (after[0], after[1])


@given(table, st.integers(0, 60), st.lists(st.integers(1, 24), max_size=6))
def test_a_hole_is_filled_for_as_long_as_allowed_however_rows_are_cut(
    lines: list[tuple[int, list[float]]], hold: int, cuts: list[int]
) -> None:
    times = np.cumsum([steps * GRID for steps, _ in lines])
    values = np.array([line for _, line in lines])
    nothing = (np.full(2, np.nan), np.full(2, LONG_AGO))
    whole, whole_after = held(values, times, nothing, hold)
    for column in range(2):
        last_value, last_time = np.nan, None
        for row, time in enumerate(times.tolist()):
            if np.isfinite(values[row, column]):
                last_value, last_time = values[row, column], time
            is_held = last_time is not None and time - last_time <= hold
            np.testing.assert_array_equal(whole[row, column], last_value if is_held else np.nan)
    after, parts = nothing, []
    edges = [0, *sorted({cut for cut in cuts if cut < len(lines)}), len(lines)]
    for start, stop in pairwise(edges):
        part, after = held(values[start:stop], times[start:stop], after, hold)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    for one, other in zip(after, whole_after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_watermark_waits_for_the_slowest() -> None:
    assert watermark([100, 70, 90], 5) == 65
