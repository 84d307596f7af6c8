"""Which readings are believed: every refusal has one reason, and no reading is refused without one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.quality.checks import (
    BAD_AT_SOURCE,
    NOT_FINITE,
    OUT_OF_RANGE,
    Ranges,
    refusals,
    stuck_seconds,
)

NS = 1_000_000_000
RANGES = Ranges(np.array([0.0, -np.inf]), np.array([10.0, np.inf]))


def reasons_of(value: float, quality: int | None, sensor: int = 0) -> list[str]:
    codes = None if quality is None else np.array([quality], np.int64)
    believed, reasons = refusals(np.array([value]), codes, np.array([sensor]), RANGES)
    said = [reason for reason, which in reasons.items() if which[0]]
    assert bool(believed[0]) == (said == [])
    return said


@pytest.mark.parametrize(
    ("value", "quality", "said"),
    [
        (5.0, None, []),
        (5.0, 192, []),
        (5.0, 64, []),
        (5.0, 63, [BAD_AT_SOURCE]),
        (5.0, 0, [BAD_AT_SOURCE]),
        (0.0, None, []),
        (10.0, None, []),
        (np.nextafter(10.0, 11.0), None, [OUT_OF_RANGE]),
        (-1e308, None, [OUT_OF_RANGE]),
        (np.nan, None, [NOT_FINITE]),
        (np.inf, None, [NOT_FINITE]),
        (-np.inf, 192, [NOT_FINITE]),
        (99.0, 0, [BAD_AT_SOURCE]),
        (np.nan, 0, [NOT_FINITE]),
    ],
)
def test_each_refusal_has_the_first_reason_that_holds(value: float, quality: int | None, said: list[str]) -> None:
    assert reasons_of(value, quality) == said


def test_where_nothing_is_known_of_a_sensor_any_number_is_one() -> None:
    assert reasons_of(1e308, None, sensor=1) == []
    assert reasons_of(-5e-324, 192, sensor=1) == []


readings = st.lists(
    st.tuples(st.floats(), st.integers(0, 255), st.integers(0, 1)), min_size=1, max_size=40
)  # every float there is: NaN, infinities, the hugest


@given(readings, st.booleans())
def test_every_reading_is_believed_or_refused_for_just_one_reason(
    given_readings: list[tuple[float, int, int]], with_codes: bool
) -> None:
    values, codes, sensors = (np.array(column) for column in zip(*given_readings, strict=True))
    quality = codes.astype(np.int64) if with_codes else None
    believed, reasons = refusals(values.astype(float), quality, sensors, RANGES)
    refused = np.sum(list(reasons.values()), axis=0) if reasons else np.zeros(len(values), int)
    np.testing.assert_array_equal(refused, (~believed).astype(int))
    assert np.isfinite(values[believed]).all()
    for reason, which in reasons.items():
        assert which.any(), reason


NOTHING_BEFORE = (np.array([np.nan]), np.array([-(1 << 62)]))


def stuck(values: list[float], limit: float = 3.0) -> list[float]:
    times = np.arange(len(values)) * NS
    found, _ = stuck_seconds(np.array(values)[:, None], times, *NOTHING_BEFORE, np.array([limit]))
    return found[:, 0].tolist()


def test_a_value_that_repeats_itself_is_stuck_once_the_limit_is_reached() -> None:
    assert stuck([1.0, 7.0, 7.0, 7.0, 7.0, 7.0, 8.0, 8.0]) == [0, 0, 0, 0, 3, 4, 0, 0]


def test_holes_neither_end_nor_prolong_what_is_stuck() -> None:
    nan = float("nan")
    assert stuck([7.0, nan, nan, 7.0, nan, 7.0]) == [0, 0, 0, 3, 0, 5]
    assert stuck([7.0, nan, nan, nan, nan, 8.0]) == [0] * 6


def test_a_sensor_that_is_not_watched_is_never_stuck() -> None:
    assert stuck([7.0] * 100, limit=0.0) == [0] * 100


@given(
    st.lists(st.sampled_from([1.0, 1.0, 2.0, float("nan")]), min_size=2, max_size=30),
    st.lists(st.integers(1, 29), max_size=6),
)
def test_how_long_a_sensor_is_stuck_does_not_depend_on_the_cut(values: list[float], cuts: list[int]) -> None:
    column, times = np.array(values)[:, None], np.arange(len(values)) * NS
    whole, whole_changed = stuck_seconds(column, times, *NOTHING_BEFORE, np.array([2.0]))
    last, changed = NOTHING_BEFORE
    parts = []
    edges = [0, *sorted({cut for cut in cuts if cut < len(values)}), len(values)]
    for start, stop in pairwise(edges):
        part, changed = stuck_seconds(column[start:stop], times[start:stop], last, changed, np.array([2.0]))
        fresh = column[start:stop, 0][np.isfinite(column[start:stop, 0])]
        last = fresh[-1:] if len(fresh) else last
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(changed, whole_changed)
