"""What a backtest tells is what the running pipeline did: the same alarms, to the name, from the same rows."""

import msgspec
import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from backtest_pump import KEY, NS, SENSORS, pump_rows  # type: ignore[import-not-found]
from iot_edge_anomaly.backtest.run import Outcome, Past, Plan, backtest
from iot_edge_anomaly.bus.blobs import digest_of
from iot_edge_anomaly.core.messages import Envelope, Item, ModelActivated, PlantConfigured, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Rows
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.training.gather import LONGEST_STEP, fit
from state_pump import DECLARED, HIGH, LOW, OFF, LivePump  # type: ignore[import-not-found]
from state_pump import pump_rows as state_pump_rows

T0 = 1_767_225_600 * NS
LEARN, ROWS = 150, 400
PRESSURE = SensorSettings(unit="bar", high_limit=4.6, high_high_limit=5.0, deadband=0.1)
RULES = (AssetRule("acme/*", AssetSettings(learn_rows=LEARN, lateness_seconds=0.0, sensors={"pressure": PRESSURE})),)


def run_live(values: np.ndarray) -> tuple[list[Rows], list[AlarmEvent]]:
    """Send a row a second through the pipeline; the trainer answers at once."""
    pipeline = AnomalyPipeline()
    state, models, stored = pipeline.new_state(), {}, []
    rows: list[Rows] = []
    alarms: list[AlarmEvent] = []
    items: list[Item] = [PlantConfigured("v1", pack_rules(RULES), T0)]
    for number, row in enumerate(values.tolist()):
        at_ns = T0 + number * NS
        readings = [(at_ns, sensor, value) for sensor, value in zip(SENSORS, row, strict=True)]
        items.append(batch_of(KEY, "plc", readings, received_ns=at_ns, epoch=0, sequence=number))
    while items:
        envelope = Envelope((items.pop(0),), len(stored) + 1)
        stored.append(envelope)
        state, outcomes = pipeline.step(state, [envelope], models)
        for outcome in outcomes:
            rows += [outcome.rows] if outcome.rows else []
            alarms += outcome.alarms
            if outcome.fit_request is not None:
                model = fit(stored, KEY, RULES, outcome.fit_request)
                models[digest_of(model)] = unpack(model)
                items.insert(0, ModelActivated(KEY.tenant, KEY.asset, digest_of(model), T0))
    return rows, alarms


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(0, ROWS - 30), st.integers(1, 30), st.integers(0, 2), st.floats(0.2, 4.0)), max_size=5
    ),
    st.integers(0, 3),
)
def test_the_same_rows_raise_the_same_alarms(faults: list[tuple[int, int, int, float]], seed: int) -> None:
    values = pump_rows(ROWS, seed)
    for start, length, sensor, by in faults:
        values[start : start + length, sensor] += by
    rows, happened = run_live(values)
    outcome = backtest_of(rows, RULES, KEY)
    assert outcome.lessons[0].rows == LEARN
    assert_same(outcome, rows, happened)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([OFF, LOW, HIGH, 3.0]), st.integers(1, 60)), min_size=4, max_size=10),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 30), st.sampled_from([0, 2, 3]), st.floats(0.2, 9.0))),
    st.booleans(),
    st.sampled_from([(), (LOW, HIGH)]),
    st.sampled_from([0.0, 5.0]),
)
def test_the_same_rows_of_several_states_raise_the_same_alarms(
    modes: list[tuple[float, int]],
    faults: list[tuple[int, int, int, float]],
    on_change: bool,
    judged: tuple[float, ...],
    settle: float,
) -> None:
    declared = msgspec.structs.replace(DECLARED, learn_rows=LEARN, judged_states=judged, settle_seconds=settle)
    first_rows = [LOW] * 80 + [HIGH] * 80 + [LOW] * 40
    values = state_pump_rows(first_rows + [mode for mode, count in modes for _ in range(count)])
    for start, length, sensor, by in faults:
        values[len(first_rows) + start : len(first_rows) + start + length, sensor] += by
    live = LivePump(declared, rows_a_step=1, on_change=on_change)
    live.send(values)
    assert live.requests[0].states
    outcome = backtest_of(live.blocks, live.rules, live.key)
    assert outcome.lessons[0].rows == LEARN
    assert_same(outcome, live.blocks, live.events)
    assert not outcome.score[~outcome_judged(outcome)].any()


def outcome_judged(outcome: Outcome) -> np.ndarray:
    """Return which rows are judged: those of a learned state that has settled."""
    assert outcome.plan.states is not None
    modes, settle = outcome.values[:, outcome.past.sensors.index("mode")], outcome.plan.states.settle_ns
    changes = np.flatnonzero(np.diff(modes) != 0) + 1
    is_judged = np.isin(modes, outcome.plan.states.judged or (LOW, HIGH))
    for change in changes.tolist():
        is_judged[change : change + settle // NS] = False
    return is_judged


def backtest_of(rows: list[Rows], rules: tuple[AssetRule, ...], key: AssetKey) -> Outcome:
    """Learn from the rows that there was no model for, as the running system did, and judge the others."""
    first = sum(len(one.scores()) for one in rows if not one.model)
    if first == sum(len(one.scores()) for one in rows):
        reject()
    times, fused = np.concatenate([one.times() for one in rows]), np.concatenate([one.values() for one in rows])
    past = Past(key, rows[0].sensors, times, fused, np.ones(len(times), bool), LONGEST_STEP)
    profile = profile_of(key, rules, "v1").for_sensors(past.sensors)
    plan = Plan(profile.detector, profile.false_alarms_per_week, profile.alarms, first, states=profile.states)
    return backtest(past, plan)


def assert_same(outcome: Outcome, rows: list[Rows], happened: list[AlarmEvent]) -> None:
    first = outcome.first
    assert outcome.score.tolist() == np.concatenate([one.scores() for one in rows])[first:].tolist()
    raised = [(one.alarm_id, one.time_ns, one.reason, one.priority) for one in happened if one.event == "raise"]
    told = [(one.raised.alarm_id, one.start_ns, one.raised.reason, one.raised.priority) for one in outcome.alarms]
    assert told == [one for one in raised if one[0] in {alarm[0] for alarm in told}]
    assert {one[0] for one in raised if one[1] >= outcome.first_ns} <= {one[0] for one in told}
