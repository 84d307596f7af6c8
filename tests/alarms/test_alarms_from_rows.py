"""What rows do to an alarm book: delays, dead bands, limits; and that cutting the rows changes nothing."""

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
from alarm_rows import KEY, NS, SENSORS, SETTINGS, WITHOUT_LIMITS, after, cut, rows_of  # type: ignore[import-not-found]
from hypothesis import example, given
from hypothesis import strategies as st

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit, SensorTexts
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Origin, Priority


def test_a_score_must_stay_high_to_raise_and_low_to_return() -> None:
    book = AlarmBook()
    score = [1.1, 0.5, 1.1, 0.95, 1.2, 0.8, 0.8, 0.95, 0.8, 0.8, 0.2]
    assert after(book, rows_of(score=score)) == [(4, "raise", "score"), (8, "return", "score")]
    assert book.alarms["score"].state is AlarmState.RETURNED


def test_a_score_raises_nothing_before_the_asset_is_calibrated_but_limits_do() -> None:
    rows = rows_of(score=[9.0] * 5, temperature=[90.0] * 5, judge_score=False)
    assert after(AlarmBook(), rows) == [(0, "raise", "limit:bearing_temperature:H")]


def test_a_score_alarm_says_why() -> None:
    (event,) = on_rows(AlarmBook(), KEY, rows_of(score=[2.5, 2.5]), SETTINGS)
    assert event.reason == "flow 1 m³/h above what bearing temperature predicts"
    assert (event.priority, event.score, event.threshold, event.model) == (Priority.HIGH, 2.5, 1.0, "sha256:m")
    assert [(c.sensor, c.share, c.actual, c.expected, c.unit) for c in event.contributors] == [
        ("flow", 0.75, 10.0, 9.0, "m³/h"),
        ("bearing_temperature", 0.25, 60.0, 59.0, "°C"),
    ]


def test_a_score_alarm_tells_its_origin_and_asks_for_it_once() -> None:
    asked: list[tuple[list[float], int]] = []

    def ask(row: np.ndarray, suspect: int) -> Origin:
        asked.append((row.tolist(), suspect))
        return Origin.SENSOR

    rows = rows_of(score=[2.5, 2.5, 2.5], flow=[1.0, 2.0, 3.0])._replace(origin=ask)
    (event,) = on_rows(AlarmBook(), KEY, rows, WITHOUT_LIMITS)
    assert event.origin is Origin.SENSOR
    assert event.reason.endswith("rather a fault of the sensor than of the machine")
    assert asked == [([2.0, 60.0], 0)]


def test_other_alarms_tell_no_origin() -> None:
    (event,) = on_rows(AlarmBook(), KEY, rows_of(flow=[10.0, 4.0]), SETTINGS)
    assert event.origin is Origin.UNTOLD


def test_a_limit_returns_only_beyond_its_dead_band() -> None:
    temperature = [86.0, 84.5, 84.5, 84.5, 84.5, 84.0, 84.0, 84.0]
    events = after(AlarmBook(), rows_of(temperature=temperature))
    assert [(second, event) for second, event, _ in events] == [(0, "raise"), (7, "return")]


def test_without_a_dead_band_a_value_that_rests_on_the_limit_is_inside() -> None:
    settings = replace(SETTINGS, limits=(Limit("flow", "H", 20.0, 0.0),))
    events = after(AlarmBook(), rows_of(flow=[20.0, 21.0, 20.0, 20.0, 20.0]), settings)
    assert [(second, event) for second, event, _ in events] == [(1, "raise"), (4, "return")]


def test_low_limits_are_passed_downwards() -> None:
    (event,) = on_rows(AlarmBook(), KEY, rows_of(flow=[10.0, 4.0]), SETTINGS)
    assert (event.reason, event.priority) == ("flow 4 m³/h below its low limit of 5 m³/h", Priority.MEDIUM)


def test_a_value_that_jumps_over_both_limits_is_one_alarm() -> None:
    book = AlarmBook()
    assert after(book, rows_of(temperature=[60.0, 99.0, 99.0])) == [(1, "raise", "limit:bearing_temperature:HH")]
    events = after(book, rows_of(start=3, temperature=[90.0] * 5))
    assert events == [
        (5, "return", "limit:bearing_temperature:HH"),
        (5, "raise", "limit:bearing_temperature:H"),
    ]


def test_the_inner_limit_steps_back_while_the_outer_one_is_passed() -> None:
    book = AlarmBook()
    events = after(book, rows_of(temperature=[90.0, 99.0, 99.0, 90.0, 90.0, 90.0, 60.0, 60.0, 60.0]))
    high, high_high = "limit:bearing_temperature:H", "limit:bearing_temperature:HH"
    assert events == [
        (0, "raise", high),
        (1, "raise", high_high),
        (1, "suppress", high),
        (5, "return", high_high),
        (5, "release-active", high),
        (8, "return", high),
    ]


def test_an_inner_limit_that_is_over_with_the_outer_one_comes_back_normal() -> None:
    events = after(AlarmBook(), rows_of(temperature=[90.0, 99.0, 60.0, 60.0, 60.0]))
    assert events[-1] == (4, "release-normal", "limit:bearing_temperature:H")


def test_missing_values_neither_raise_nor_return() -> None:
    book = AlarmBook()
    temperature = [90.0, *[np.nan] * 5]
    assert [event for _, event, _ in after(book, rows_of(temperature=temperature))] == ["raise"]
    assert after(AlarmBook(), rows_of(temperature=[np.nan] * 5, flow=[np.nan] * 5)) == []


def test_a_stuck_sensor_is_an_alarm_of_low_priority_that_lets_the_asset_learn() -> None:
    book = AlarmBook()
    (event,) = on_rows(book, KEY, rows_of(stuck=[0.0, 45.0, 46.0]), SETTINGS)
    assert (event.reason, event.priority) == ("flow has read exactly 10 m³/h for 45 s", Priority.LOW)
    assert book.allows_learning()
    assert [event for _, event, _ in after(book, rows_of(start=3, stuck=[0.0] * 3))] == ["return"]


def test_alarms_of_what_is_watched_no_longer_end() -> None:
    book = AlarmBook()
    after(book, rows_of(score=[2.0] * 2, temperature=[90.0] * 2, stuck=[45.0] * 2))
    assert len(book.open_alarms()) == 3
    events = after(book, rows_of(start=2, score=[2.0] * 3, temperature=[90.0] * 3, judge_score=False), WITHOUT_LIMITS)
    assert {(event, condition) for _, event, condition in events} == {
        ("return", "score"),
        ("return", "limit:bearing_temperature:H"),
        ("return", "stuck:flow"),
    }


def test_what_comes_again_within_a_minute_is_the_same_alarm() -> None:
    book = AlarmBook()
    (first,) = on_rows(book, KEY, rows_of(temperature=[90.0]), SETTINGS)
    on_rows(book, KEY, rows_of(start=1, temperature=[60.0] * 3), SETTINGS)
    (again,) = on_rows(book, KEY, rows_of(start=30, temperature=[91.0]), SETTINGS)
    assert (again.event, again.alarm_id, again.incident_id) == ("re-raise", first.alarm_id, first.incident_id)
    assert again.reason == "bearing temperature 91 °C above its high limit of 85 °C"


def test_what_comes_again_later_is_a_new_alarm_of_a_new_incident() -> None:
    book = AlarmBook()
    (first,) = on_rows(book, KEY, rows_of(temperature=[90.0]), SETTINGS)
    on_rows(book, KEY, rows_of(start=1, temperature=[60.0] * 3), SETTINGS)
    closed, second = on_rows(book, KEY, rows_of(start=64, temperature=[90.0]), SETTINGS)
    assert (closed.event, closed.alarm_id, closed.after) == ("supersede", first.alarm_id, AlarmState.NORMAL)
    assert second.event == "raise"
    assert second.alarm_id != first.alarm_id
    assert second.incident_id != first.incident_id


def test_alarms_that_are_active_together_are_one_incident() -> None:
    events = on_rows(
        AlarmBook(), KEY, rows_of(flow=[10, 4, 4, 4], temperature=[60, 60, 90, 90], score=[2] * 4), SETTINGS
    )
    assert len({event.alarm_id for event in events}) == 3
    assert len({event.incident_id for event in events}) == 1


def test_a_quiet_book_is_small_again_after_its_troubles() -> None:
    book = AlarmBook()
    empty = len(msgspec.msgpack.encode(book))
    after(book, rows_of(score=[1.5, 0.0, 0.0, 0.0], temperature=[99.0, 0.0, 0.0, 0.0], stuck=[45.0, 0.0, 0.0, 0.0]))
    for alarm in book.alarms.values():
        assert alarm.state is AlarmState.RETURNED
    after(book, rows_of(start=100, score=[1.5, 0.0]))
    assert "score" not in book.alarms
    assert empty < 64


def test_five_hundred_limits_that_nothing_passes_leave_no_trace() -> None:
    sensors = tuple(f"s{number}" for number in range(500))
    settings = AlarmSettings(
        1, 1, tuple(Limit(name, "H", 1.0, 0.0) for name in sensors), {}, {n: SensorTexts(n, "") for n in sensors}, ""
    )
    nothing = np.zeros((20, 500))
    rows = ScoredRows(sensors, np.arange(20) * NS, nothing, np.zeros(20), nothing, nothing, nothing, nothing, True, "")
    book = AlarmBook()
    assert on_rows(book, KEY, rows, settings) == []
    assert book == AlarmBook()
    values = np.zeros((20, 500))
    values[7, 123] = 2.0
    (event,) = on_rows(book, KEY, rows._replace(values=values), replace(settings, off_delay_rows=50))
    assert (event.condition, event.time_ns) == ("limit:s123:H", 7 * NS)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.1, 0.9, 0.95, 1.0, 1.3, 2.5]),
        st.sampled_from([10.0, 4.0, 5.0, 5.2, np.nan]),
        st.sampled_from([60.0, 84.0, 84.5, 86.0, 94.2, 99.0, np.nan]),
        st.sampled_from([0.0, 0.0, 45.0]),
        st.sampled_from([1, 1, 1, 20, 70]),
    ),
    min_size=1,
    max_size=60,
)


def all_at_once(lines: list[tuple[float, float, float, float, int]]) -> ScoredRows:
    score, flow, temperature, stuck, steps = zip(*lines, strict=True)
    rows = rows_of(score=score, flow=flow, temperature=temperature, stuck=stuck)
    return rows._replace(time_ns=np.cumsum(steps) * NS)


CALM, HIGH, HIGHEST = ((0.1, 10.0, temperature, 0.0, 1) for temperature in (60.0, 86.0, 99.0))


@given(ROWS, st.lists(st.integers(1, 59)), st.booleans())
@example([HIGH, HIGHEST, *[CALM] * 6, HIGH], [5], False)
def test_the_result_does_not_depend_on_how_rows_are_cut(
    lines: list[tuple[float, float, float, float, int]], cuts: list[int], is_stored_between: bool
) -> None:
    rows = all_at_once(lines)
    whole, parts = AlarmBook(), AlarmBook()
    events = on_rows(whole, KEY, rows, SETTINGS)
    said: list[AlarmEvent] = []
    for start, stop in pairwise([0, *sorted({c for c in cuts if c < len(lines)}), len(lines)]):
        said += on_rows(parts, KEY, cut(rows, start, stop), SETTINGS)
        if is_stored_between:
            parts = msgspec.msgpack.decode(msgspec.msgpack.encode(parts), type=AlarmBook)
    assert msgspec.msgpack.encode(said) == msgspec.msgpack.encode(events)
    assert parts == whole


@given(ROWS)
def test_each_condition_goes_from_state_to_state_without_a_jump(
    lines: list[tuple[float, float, float, float, int]],
) -> None:
    states: dict[str, AlarmState] = {}
    for event in on_rows(AlarmBook(), KEY, all_at_once(lines), SETTINGS):
        assert event.before is states.get(event.condition, AlarmState.NORMAL)
        assert event.alarm_id
        assert event.incident_id
        states[event.condition] = event.after


def test_the_columns_are_those_of_the_settings() -> None:
    assert tuple(SETTINGS.texts) == SENSORS
