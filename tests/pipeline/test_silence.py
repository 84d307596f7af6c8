"""Silence, as ticks find it: told of once, over when the sensor speaks, and never for want of a listener."""

from hypothesis import given, settings
from hypothesis import strategies as st
from plant_runs import NS, SENSORS, T0, Run, batch, configured, plant

from iot_edge_anomaly.bus.ticks import LONGEST_PAUSE, Beat
from iot_edge_anomaly.core.messages import Item, Tick

SILENCE = 20
SETUP = configured(silence_seconds=float(SILENCE))
VALUES = plant(2000)


def row(second: int, sensors: int = 3, heard_after: int = 0) -> Item:
    """A row of readings, of the first sensors only, that was received so many seconds after its time."""
    one = batch(second, VALUES[second % len(VALUES), :sensors], sensors=SENSORS[:sensors])
    received_ns = T0 + (second + heard_after) * NS
    return type(one)(*(received_ns if name == "received_ns" else getattr(one, name) for name in one.__struct_fields__))


def tick(second: int, *, resumed: bool = False) -> Tick:
    return Tick(T0 + second * NS, resumed)


def silences(run: Run) -> list[tuple[int, str, str]]:
    """When each silence began and ended, in seconds."""
    return [
        ((alarm.time_ns - T0) // NS, alarm.event, alarm.condition)
        for outcome in run.outcomes
        for alarm in outcome.alarms
        if alarm.condition.startswith("silence:")
    ]


def live(first: int, end: int, sensors: int = 3) -> list[Item]:
    """A row and a tick a second."""
    return [item for second in range(first, end) for item in (row(second, sensors), tick(second))]


def test_one_sensor_that_falls_silent_is_told_of_once_and_over_when_it_speaks() -> None:
    run = Run([SETUP, *live(0, 30), *live(30, 200, sensors=2), *live(200, 260)])
    assert silences(run) == [(50, "raise", "silence:power"), (200, "return", "silence:power")]


def test_a_sensor_that_falls_silent_again_is_told_of_again() -> None:
    run = Run([SETUP, *live(0, 30), *live(30, 90, sensors=2), *live(90, 200), *live(200, 300, sensors=2)])
    assert [(event, condition) for _, event, condition in silences(run) if event in ("raise", "re-raise")] == [
        ("raise", "silence:power"),
        ("raise", "silence:power"),
    ]


def test_without_a_tick_nothing_is_silent() -> None:
    run = Run([SETUP, *live(0, 30), *(row(second, 2) for second in range(30, 300))])
    assert silences(run) == []


def after_a_pause(queued: range, down: int, ticks_first: int, rows_after: int) -> list[Item]:
    """A worker is away while devices go on; when it is back, ticks come before the readings that were queued."""
    beat = Beat(1.0)
    items: list[Item] = [SETUP]
    for second in range(30):
        now = beat.tick(T0 + second * NS)
        beat.stored(now)
        items += [row(second), now]
    back = 30 + down
    for second in range(back, back + ticks_first):
        now = beat.tick(T0 + second * NS)
        beat.stored(now)
        items.append(now)
    items += [row(second, heard_after=back + ticks_first - second) for second in queued]
    return [*items, *live(back + ticks_first, back + ticks_first + rows_after)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 900), st.integers(1, SILENCE - LONGEST_PAUSE - 1), st.lists(st.integers(1, 900), max_size=8))
def test_readings_that_were_queued_behind_a_burst_of_ticks_are_no_silence(
    down: int, ticks_first: int, cuts: list[int]
) -> None:
    run = Run(after_a_pause(range(30, 30 + down), down, ticks_first, 60), cuts)
    assert silences(run) == []


def test_ten_minutes_away_and_a_sensor_that_did_not_come_back_is_found_in_its_usual_time() -> None:
    run = Run([*after_a_pause(range(30, 630), 600, 5, 0), *live(635, 700, sensors=2)])
    assert silences(run) == [(656, "raise", "silence:power")]


def test_a_silence_that_stood_before_the_pause_stands_after_it_and_is_not_told_again() -> None:
    before = [SETUP, *live(0, 30), *live(30, 60, sensors=2)]
    run = Run([*before, tick(660, resumed=True), *live(661, 700, sensors=2), *live(700, 720)])
    assert silences(run) == [(50, "raise", "silence:power"), (700, "return", "silence:power")]


@given(st.lists(st.tuples(st.floats(0.5, 30.0), st.booleans()), min_size=1, max_size=40))
def test_a_beat_says_just_where_it_was_interrupted(pauses: list[tuple[float, bool]]) -> None:
    beat, now, last = Beat(1.0), 0, None
    for seconds, is_stored in pauses:
        now += round(seconds * NS)
        made = beat.tick(now)
        assert made == Tick(now, last is None or now - last > LONGEST_PAUSE * NS)
        if is_stored:
            beat.stored(made)
            last = now
    beat.rest()
    assert beat.tick(now).resumed
