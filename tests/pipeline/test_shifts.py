"""A calendar of shifts tells the state: how it is written, what it says at each minute, and what becomes of rows."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock_plant import DAY_ROWS, MONDAY, NS, PLAIN, STEP_NS, LiveClockPlant, rows, times  # type: ignore[import-not-found]
from iot_edge_anomaly.app.settings import check as check_file
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, RowQuality
from iot_edge_anomaly.detection.inside import knows_states
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import (
    AssetRule,
    AssetSettings,
    SensorSettings,
    contradictions,
    pack_rules,
    unpack_rules,
)
from iot_edge_anomaly.pipeline.shifts import DAYS, SHIFT, Shifts, check, with_shift
from iot_edge_anomaly.registry.artefact import unpack
from state_pump import KEY  # type: ignore[import-not-found]

EARLY, LATE = "mon-fri 06:00-14:00", "mon-fri 14:00-22:00"
TWO = Shifts((EARLY, LATE))
DECLARED = msgspec.structs.replace(
    PLAIN, shifts=(EARLY, LATE), judged_states=(1.0, 2.0), settle_seconds=0.0, learn_rows=480
)


def at(day: int, hour: int, minute: int = 0) -> int:
    return MONDAY + ((day * 24 + hour) * 60 + minute) * 60 * NS


@pytest.mark.parametrize(
    ("words", "when", "number"),
    [
        ((EARLY, LATE), at(0, 5, 59), 0),
        ((EARLY, LATE), at(0, 6), 1),
        ((EARLY, LATE), at(4, 13, 59), 1),
        ((EARLY, LATE), at(4, 14), 2),
        ((EARLY, LATE), at(5, 8), 0),
        (("fri-sat 22:00-06:00",), at(5, 23), 1),
        (("sun 22:00-06:00",), at(0, 5), 1),
        (("sun 22:00-06:00",), at(0, 6), 0),
        (("daily 00:00-24:00",), at(3, 0), 1),
        (("sat-mon 08:00-09:00",), at(6, 8, 30), 1),
        (("sat-mon 08:00-09:00",), at(1, 8, 30), 0),
        (("mon,wed 08:00-09:00", "daily 00:00-24:00"), at(2, 8, 30), 1),
        (("mon,wed 08:00-09:00", "daily 00:00-24:00"), at(1, 8, 30), 2),
        ((" MON-FRI 6:00 - 14:00 ",), at(0, 7), 1),
    ],
)
def test_which_shift_is_on(words: tuple[str, ...], when: int, number: int) -> None:
    assert Shifts(words).at(np.array([when])).tolist() == [number]


@given(
    days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=3),
    begin=st.integers(0, 1439),
    end=st.integers(0, 1440),
    minute=st.integers(0, 10_079),
)
def test_it_is_what_a_calendar_says(days: list[str], begin: int, end: int, minute: int) -> None:
    text = f"{','.join(days)} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    if begin == end:
        with pytest.raises(ConfigError, match="does not end as it begins"):
            check((text,))
        return
    moment = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=minute)
    today, before = DAYS[moment.weekday()], DAYS[moment.weekday() - 1]
    now = moment.hour * 60 + moment.minute
    is_on = today in days and begin <= now and (now < end or end < begin)
    is_on |= end < begin and before in days and now < end
    assert Shifts((text,)).at(np.array([round(moment.timestamp()) * NS])).tolist() == [float(is_on)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must read like"),
        ("mon-fri", "must read like"),
        ("mon-fri 6-14", "must read like"),
        ("weekdays 06:00-14:00", "days are mon"),
        ("mon-fry 06:00-14:00", "days are mon"),
        ("mon 06:60-14:00", "00:00 to 24:00"),
        ("mon 24:00-06:00", "00:00 to 24:00"),
        ("mon 06:00-25:00", "00:00 to 24:00"),
        ("mon 06:00-06:00", "does not end as it begins"),
        ("mon,,tue 06:00-07:00", "days are mon"),
    ],
)
def test_what_is_no_shift_is_refused_with_how_it_is_written(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check((text,))
    packed = msgspec.json.encode([{"match": "*", "settings": {"shifts": [text]}}])
    with pytest.raises(ConfigError, match=problem):
        unpack_rules(packed)


def test_by_the_clocks_of_a_time_zone() -> None:
    berlin = Shifts(("daily 06:00-14:00",), "Europe/Berlin")
    summer, winter = (round(datetime(2026, month, 15, 4, 30, tzinfo=UTC).timestamp()) * NS for month in (7, 1))
    assert berlin.at(np.array([summer, winter])).tolist() == [1, 0]


def test_a_sensor_and_a_calendar_cannot_both_tell() -> None:
    both = AssetSettings(shifts=(EARLY,), state_sensor="mode")
    assert list(contradictions(both)) == [
        ("shifts", "shifts and state_sensor say the same thing in two ways: give one of them")
    ]
    text = f'[[asset]]\nmatch = "acme/*"\nstate_sensor = "mode"\nshifts = ["{EARLY}"]\n'
    (problem,) = check_file(text, "plant.toml")[1]
    assert (problem.line, problem.key) == (4, "asset.shifts")
    with pytest.raises(ConfigError, match="already"):
        with_shift(("flow", SHIFT), np.zeros((1, 2)), np.zeros(1))
    rules = (AssetRule("*", DECLARED),)
    assert unpack_rules(pack_rules(rules)) == rules


@pytest.mark.parametrize("first", ["sensor", "calendar"])
def test_of_a_sensor_and_a_calendar_in_two_rules_the_later_one_tells(first: str) -> None:
    rules = [AssetRule("*", AssetSettings(state_sensor="mode")), AssetRule("*", AssetSettings(shifts=(EARLY,)))]
    profile = profile_of(KEY, tuple(rules if first == "sensor" else rules[::-1]), "")
    assert profile.states is not None
    assert profile.states.sensor == (SHIFT if first == "sensor" else "mode")
    assert (profile.states.shifts is None) == (first == "calendar")


# --- in the pipeline


def plant(days: float, first_day: float = 0.0) -> np.ndarray:
    """A plant that runs at 0.6 in the early shift, at 1 in the late one, and is switched on and off otherwise."""
    when = times(days, first_day)
    shift = TWO.at(when)
    idle = np.where(np.arange(len(when)) % 10 < 5, 0.0, 0.25)
    return np.asarray(rows(when, np.select([shift == 1, shift == 2], [0.6, 1.0], idle)))


@pytest.fixture(scope="module")
def live() -> LiveClockPlant:
    plant_ = LiveClockPlant(DECLARED)
    plant_.send(plant(14))
    return plant_


def test_the_calendar_is_a_sensor_that_nobody_sends(live: LiveClockPlant) -> None:
    block = live.blocks[-1]
    assert SHIFT in block.sensors
    column = block.sensors.index(SHIFT)
    np.testing.assert_array_equal(block.values()[:, column], TWO.at(block.times()))


def test_shifts_are_learned_apart_and_rows_outside_are_not_judged(live: LiveClockPlant) -> None:
    by_state = knows_states(unpack(live.artefacts[0]))
    assert by_state is not None
    assert list(by_state.learned) == [1.0, 2.0]
    assert by_state.declared.shifts == (EARLY, LATE)
    assert live.raised == []
    said = np.concatenate([rows.qualities() for rows in live.blocks])
    is_outside = TWO.at(live.times) == 0
    assert (said[is_outside] == ROW_QUALITIES.index(RowQuality.NOT_JUDGED)).all()
    assert not live.score[is_outside].any()
    assert live.score[~is_outside][200:].all()


def test_the_early_shift_at_the_speed_of_the_late_one_is_an_alarm(live: LiveClockPlant) -> None:
    other = LiveClockPlant(DECLARED)
    values = plant(15)
    fault = slice(14 * DAY_ROWS + 40, 14 * DAY_ROWS + 70)
    values[fault] = rows(times(15)[fault], np.full(30, 1.0))
    other.send(values)
    raised = [event for event in other.events if event.event == "raise"]
    assert [event.condition for event in raised] == ["score"]
    assert raised[0].time_ns >= MONDAY + fault.start * STEP_NS


def test_a_shift_that_lasts_is_not_stuck() -> None:
    live = LiveClockPlant(msgspec.structs.replace(DECLARED, sensors={"*": SensorSettings(stuck_seconds=1800.0)}))
    live.send(plant(1))
    assert [event.condition for event in live.events if event.condition.startswith("stuck:shift")] == []


def test_another_calendar_is_learned_anew_and_none_as_well() -> None:
    live = LiveClockPlant(DECLARED)
    live.send(plant(7))
    live.configure(msgspec.structs.replace(DECLARED, shifts=("mon-fri 06:00-22:00",), judged_states=(1.0,)))
    live.send(plant(14, 7))
    live.configure(PLAIN)
    live.send(plant(7, 21))
    assert [request.why for request in live.requests] == ["first model", "new states", "new states"]
    assert [request.shifts for request in live.requests] == [(EARLY, LATE), ("mon-fri 06:00-22:00",), ()]


@pytest.mark.parametrize("rows_a_step", [1, 7, 400])
def test_cuts_and_restarts_change_nothing(live: LiveClockPlant, rows_a_step: int) -> None:
    other = LiveClockPlant(DECLARED, rows_a_step=rows_a_step, reload=True)
    other.send(plant(14)[: 8 * DAY_ROWS])
    until = (live.requests[0].spans[-1][1] - MONDAY) // STEP_NS
    assert other.score[:until].tobytes() == live.score[:until].tobytes()
    assert other.requests[0].spans == live.requests[0].spans
    assert other.told("sensor-vanished") == []
    assert [event for event in other.events if event.condition.startswith("silence")] == []
