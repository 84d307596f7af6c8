"""An asset whose states are declared: judged where it runs, silent while it starts and stops, learned by state."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plant_runs import KEY as PLANT
from plant_runs import MODELS, Run, batch, configured

from iot_edge_anomaly.core.messages import Item, ModelActivated, NewNormal
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES
from iot_edge_anomaly.detection import by_state
from iot_edge_anomaly.detection.by_state_model import States
from iot_edge_anomaly.detection.inside import knows_states
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings
from iot_edge_anomaly.pipeline.state import load_asset
from iot_edge_anomaly.registry.artefact import unpack
from state_pump import (  # type: ignore[import-not-found]
    DECLARED,
    HIGH,
    KEY,
    LESSON,
    LOW,
    MODE,
    NS,
    OFF,
    PLAIN,
    SENSORS,
    STARTS,
    T0,
    LivePump,
    pump_rows,
)

ROWS = pump_rows([*LESSON, *STARTS])
CLOSED = ROWS[:-1]
"""The last row waits for the next."""

AFTER = len(LESSON)


def replaced(**changes: object) -> LivePump:
    return LivePump(msgspec.structs.replace(DECLARED, **changes))


@pytest.fixture(scope="module")
def live() -> LivePump:
    pump = LivePump()
    pump.send(ROWS)
    return pump


# --- what it is for


def test_twenty_starts_and_stops_that_were_never_learned_raise_nothing(live: LivePump) -> None:
    assert live.raised == []
    assert len(live.requests) == 1
    assert set(live.requests[0].states) == {LOW, HIGH}


@pytest.mark.parametrize(("declared", "alarms"), [(DECLARED, 0), (PLAIN, 1)], ids=["declared", "not-declared"])
def test_starts_of_a_pump_that_was_learned_running_are_alarms_unless_its_states_are_declared(
    declared: AssetSettings, alarms: int
) -> None:
    pump = LivePump(declared)
    pump.send(pump_rows([*[LOW] * 660, *np.tile(np.repeat([OFF, LOW], [60, 90]), 20)]))
    assert [request.spans[0][1] < T0 + 660 * NS for request in pump.requests] == [True], "learned from running alone"
    assert pump.raised == ["score"] * alarms


@pytest.mark.parametrize(("state", "of"), [(HIGH, LOW), (LOW, HIGH)])
def test_values_of_one_state_while_another_is_told_are_an_alarm(state: float, of: float) -> None:
    rows = pump_rows([*LESSON, *[state] * 100])
    fault = len(rows) - 40
    rows[fault:] = pump_rows([of] * 40, 9)
    rows[fault:, MODE] = state
    pump = LivePump()
    pump.send(rows)
    assert pump.raised == ["score"]
    (event,) = [event for event in pump.events if event.event == "raise"]
    assert 0 <= (event.time_ns - T0) // NS - fault < 10
    assert {part.sensor for part in event.contributors} <= {"flow", "pressure", "power"}


# --- rows that are not judged


def test_a_row_that_is_not_judged_is_shown_and_has_no_score_and_is_not_learned(live: LivePump) -> None:
    modes, numbers = CLOSED[:, MODE], np.arange(len(CLOSED))
    np.testing.assert_array_equal(live.values, CLOSED)
    assert ((live.times - T0) // NS).tolist() == numbers.tolist()
    since = numbers - np.maximum.accumulate(np.where(np.diff(modes, prepend=-1.0) != 0, numbers, 0))
    is_judged = (modes != OFF) & (since >= 30)
    np.testing.assert_array_equal(live.score[AFTER:] > 0, is_judged[AFTER:])
    assert not live.score[~is_judged].any()
    said = np.array([ROW_QUALITIES[code] for rows in live.blocks for code in rows.qualities()])
    np.testing.assert_array_equal(said, np.where(is_judged, "good", "not-judged"))
    learned = np.zeros(len(CLOSED), bool)
    for start, end in live.requests[0].spans:
        learned[(start - T0) // NS : (end - T0) // NS + 1] = True
    assert learned.sum() == 600
    assert not (learned & ~is_judged).any()


def test_a_score_alarm_ends_by_its_delay_when_the_machine_is_switched_off_and_the_fault_comes_back_with_it() -> None:
    rows = pump_rows([*LESSON, *[HIGH] * 100, *[OFF] * 100, *[HIGH] * 100])
    off = len(LESSON) + 100
    for faulty in (slice(off - 30, off), slice(off + 100, None)):
        rows[faulty, 3] += 5.0
    pump = LivePump()
    pump.send(rows)
    happened = [
        (event.event, (event.time_ns - T0) // NS - off) for event in pump.events if event.event in ("raise", "return")
    ]
    assert [name for name, _ in happened] == ["raise", "return", "raise"]
    assert happened[1][1] == 9, "ten rows below are the off-delay"
    assert 130 <= happened[2][1] < 140, "as soon as the state has settled"


def test_limits_and_stuck_sensors_are_watched_in_every_state() -> None:
    rows = pump_rows([*LESSON, *[OFF] * 100])
    rows[-90:-80, 3] = 41.0
    rows[-60:, 2] = 0.123
    pump = replaced(stuck_seconds=30.0)
    pump.send(rows)
    assert pump.raised == ["limit:power:H", "stuck:pressure"]


def test_a_state_that_lasts_is_not_stuck_unless_its_sensor_is_named() -> None:
    rows = pump_rows([LOW] * 200)
    pump = replaced(stuck_seconds=30.0)
    pump.send(rows)
    assert pump.raised == []
    pump = replaced(stuck_seconds=30.0, sensors={"mode": SensorSettings(stuck_seconds=30.0)})
    pump.send(rows)
    assert pump.raised == ["stuck:mode"]


@pytest.mark.parametrize(("declared", "is_told"), [(DECLARED, False), (PLAIN, True)], ids=["declared", "not-declared"])
def test_drift_counts_judged_rows_only(declared: AssetSettings, is_told: bool) -> None:
    pump = LivePump(declared)
    pump.send(pump_rows([*[LOW] * 700, *[OFF] * 1000]))
    assert len(pump.requests) == 1
    assert bool(pump.told("drift")) == is_told


# --- states come from a sensor


def test_a_sensor_that_tells_changes_only_is_as_good(live: LivePump) -> None:
    pump = LivePump(on_change=True)
    pump.send(ROWS)
    np.testing.assert_array_equal(pump.values, CLOSED)
    np.testing.assert_array_equal(pump.score, live.score)
    assert pump.artefacts == live.artefacts
    assert pump.told("sensor-vanished") == []


def test_learning_begun_after_the_state_was_told_knows_it() -> None:
    """The state is told once before the messages that the trainer reads begin, and then only when it changes."""
    pump = LivePump(DECLARED, on_change=True)
    pump.send(pump_rows([LOW] * 100))
    pump.configure(msgspec.structs.replace(DECLARED, judged_states=(LOW,)))
    pump.send(pump_rows([LOW] * 700, 1))
    (request,) = pump.requests
    assert (request.why, request.states) == ("new states", (LOW,))
    assert pump.score[-1] > 0
    pump.configure(DECLARED)
    pump.send(pump_rows([LOW] * 350 + [HIGH] * 400, 2))
    assert pump.requests[1].states == (LOW, HIGH)
    learned = knows_states(unpack(pump.artefacts[1]))
    assert learned is not None
    assert list(learned.learned) == [LOW, HIGH]


def test_a_state_that_was_not_learned_is_not_judged_and_that_is_said_once() -> None:
    pump = replaced(judged_states=())
    pump.send(pump_rows([*LESSON, *np.tile(np.repeat([3.0, LOW, 4.0], 60), 3)]))
    assert pump.told("state-not-learned") == [
        "state 3 was not seen while learning: not judged",
        "state 4 was not seen while learning: not judged",
    ]
    assert pump.raised == []
    assert (pump.score[AFTER : AFTER + 60] == 0).all()
    assert (pump.score[AFTER + 90 : AFTER + 120] > 0).all()


def test_a_state_that_nothing_tells_is_said_once_and_nothing_is_judged_or_learned() -> None:
    pump = replaced(state_sensor="modus")
    pump.send(ROWS[:800])
    (text,) = pump.told("state-missing")
    assert text.startswith("modus ")
    assert pump.requests == []
    assert (pump.score == 0).all()


def test_other_states_are_learned_and_the_model_there_is_goes_on() -> None:
    pump = replaced(judged_states=(LOW,))
    pump.send(pump_rows([LOW] * 700))
    assert len(pump.requests) == 1
    pump.configure(DECLARED)
    pump.send(ROWS[:AFTER])
    assert [request.why for request in pump.requests] == ["first model", "new states"]
    assert (pump.score[750:930] > 0).all(), "still judged by the first model"
    assert pump.told("state-not-learned") == ["state 2 was not seen while learning: not judged"]
    pump.send(ROWS[AFTER:])
    assert pump.raised == []


# --- however it is cut, and through storage


MODEL = by_state.fit(
    pump_rows(LESSON), SENSORS, rows_per_week=604_800, false_alarms_per_week=1.0, states=States("mode", 4.0)
)
FAST = {"state_sensor": "mode", "judged_states": (LOW, HIGH, 3.0), "learn_rows": 30}
MODES = st.lists(
    st.tuples(st.sampled_from([OFF, LOW, HIGH, 3.0, 4.0]), st.integers(1, 25), st.booleans()), min_size=1, max_size=12
)


def run_of(modes: list[tuple[float, int, bool]], controls: list[tuple[int, str]], settle: float) -> list[Item]:
    """Messages of a row each; a state may be told in each of its rows, or in the first alone."""
    rows = pump_rows([mode for mode, count, _ in modes for _ in range(count)])
    told = [every or not number for _, count, every in modes for number in range(count)]
    fast = {**FAST, "settle_seconds": settle}
    items: list[Item] = [configured(**fast)]
    for row, (line, is_told) in enumerate(zip(rows.tolist(), told, strict=True)):
        for at, what in controls:
            if at == row:
                items.append(
                    {
                        "model": ModelActivated(PLANT.tenant, PLANT.asset, "sha256:by-state", T0 + row * NS),
                        "plain": ModelActivated(PLANT.tenant, PLANT.asset, "sha256:m", T0 + row * NS),
                        "anew": NewNormal(PLANT.tenant, PLANT.asset, T0 + row * NS, "ada"),
                        "all": configured("v2", **{**fast, "judged_states": ()}),
                        "none": configured("v3", learn_rows=30),
                    }[what]
                )
        names = SENSORS if is_told else tuple(name for name in SENSORS if name != "mode")
        items.append(batch(row, [line[SENSORS.index(name)] for name in names], sensors=names))
    return items


@settings(max_examples=60, deadline=None)
@given(
    MODES,
    st.lists(
        st.tuples(st.integers(0, 150), st.sampled_from(["model", "model", "plain", "anew", "all", "none"])), max_size=5
    ),
    st.lists(st.integers(1, 200), max_size=12),
    st.booleans(),
    st.sampled_from([0.0, 4.0]),
)
def test_cuts_and_storage_change_no_bit(
    modes: list[tuple[float, int, bool]], controls: list[tuple[int, str]], cuts: list[int], reload: bool, settle: float
) -> None:
    items = run_of(modes, [(0, "model"), *controls], settle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "sha256:by-state", MODEL)  # type: ignore[arg-type]
        whole = Run(items)
        assert Run(items, cuts, reload=reload).concluded() == whole.concluded()
        assert Run(items, range(len(items)), reload=not reload).concluded() == whole.concluded()
        for most_cells in (1, 37):
            patch.setattr("iot_edge_anomaly.pipeline.closing.MOST_CELLS", most_cells)
            assert Run(items, cuts).concluded() == whole.concluded()


@pytest.mark.parametrize("killed_after", [AFTER + 53, AFTER + 60, AFTER + 79, AFTER + 80, AFTER + 125])
def test_killed_in_the_middle_of_a_transient_it_goes_on_as_if_nothing_had_been(
    live: LivePump, killed_after: int
) -> None:
    pump = LivePump()
    pump.send(ROWS[:AFTER])
    pump.send(ROWS[AFTER:killed_after])
    pump.reload()
    pump.send(ROWS[killed_after : AFTER + 300])
    assert pump.score.tobytes() == live.score[: AFTER + 299].tobytes()
    assert pump.raised == []


def test_states_of_before_are_read() -> None:
    pump = LivePump(PLAIN)
    pump.send(ROWS[:301])
    record = msgspec.msgpack.decode(pump.dumped())
    record[9] = record[9][:-2]
    older = msgspec.msgpack.encode(record[:-1])
    profile = profile_of(KEY, (AssetRule("acme/*", PLAIN),), "")
    read = load_asset(KEY, older, profile)
    assert np.isnan(read.operating.state)
    assert read.learning.rows == 300
    assert tuple(read.sensors) == SENSORS
