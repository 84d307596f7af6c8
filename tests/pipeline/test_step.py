"""The whole step: what comes out does not depend on how messages were cut, and every value is accounted for."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import (
    Batch,
    Envelope,
    Item,
    Maintenance,
    ModelActivated,
    PlantConfigured,
    SourceIdle,
    Tick,
    batch_of,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, Phase, SourceCount
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "site/pump-1")
SENSORS = ("flow", "pressure", "power")
RULES = (
    AssetRule(
        "acme/*",
        AssetSettings(
            lateness_seconds=2.0,
            hold_seconds=3.0,
            learn_rows=60,
            silence_seconds=20.0,
            on_delay_rows=2,
            off_delay_rows=3,
            sensors={"flow": SensorSettings(unit="m³/h", high_limit=14.0, deadband=0.5, low=-50.0, high=50.0)},
        ),
    ),
)
CONFIGURED = PlantConfigured("v1", pack_rules(RULES), T0)


def plant(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flow = 10 + np.sin(np.arange(rows) / 5) + rng.normal(size=rows) * 0.1
    return np.stack([flow, 0.3 * flow + rng.normal(size=rows) * 0.05, 2 * flow + rng.normal(size=rows) * 0.1], axis=1)


def a_model() -> Mapping[str, Detector]:
    return {"sha256:m": fit(plant(300), SENSORS, rows_per_week=604_800, false_alarms_per_week=1.0)}


MODELS = a_model()


def batch(row: int, values: Sequence[float], *, sequence: int | None = None, sensors: Sequence[str] = SENSORS) -> Batch:
    time_ns = T0 + row * NS
    readings = [(time_ns, sensor, float(value)) for sensor, value in zip(sensors, values, strict=True)]
    return batch_of(KEY, "plc", readings, received_ns=time_ns, sequence=row if sequence is None else sequence)


def a_day(rows: int = 120) -> list[Item]:
    """A run with all that matters: a model, a fault, a limit, a repeat, disorder, a new sensor, ticks, maintenance."""
    values = plant(rows, seed=1)
    values[60:80, 1] += 1.5
    values[90:95, 0] = 15.0
    items: list[Item] = [CONFIGURED]
    for row in range(rows):
        extra = row > 100
        sensors = (*SENSORS, "vibration") if extra else SENSORS
        items.append(batch(row, [*values[row], 0.3] if extra else values[row], sensors=sensors))
        if row % 7 == 3:
            items.append(items[-1])
        if row % 10 == 5:
            items[-1], items[-2] = items[-2], items[-1]
        if row % 5 == 0:
            items.append(Tick(T0 + row * NS))
        if row == 20:
            items.append(ModelActivated("acme", "site/pump-1", "sha256:m", T0 + row * NS))
        if row == 85:
            items.append(Maintenance("acme", "site/pump-1", T0 + 88 * NS, T0 + row * NS, "ada"))
    items += [SourceIdle("acme", "site/pump-1", "plc", T0 + rows * NS), Tick(T0 + (rows + 60) * NS)]
    return items


def run(items: Sequence[Item], cuts: Sequence[int], *, reload: bool = False) -> list[AssetOutcome]:
    pipeline = AnomalyPipeline()
    state: PartitionState = pipeline.new_state()
    stored: dict[AssetKey, bytes] = {}
    outcomes: list[AssetOutcome] = []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(items)}), len(items)]
    for start, stop in pairwise(edges):
        state, said = pipeline.step(state, [Envelope((items[i],), i + 1) for i in range(start, stop)], MODELS)
        outcomes += said
        if reload:
            shared, changed = pipeline.dump(state)
            stored |= changed
            state = pipeline.load(shared, stored)
    return outcomes


def flat(outcomes: Sequence[AssetOutcome]) -> dict[str, object]:
    rows = [outcome.rows for outcome in outcomes if outcome.rows is not None]
    counts: dict[str, list[int]] = {}
    for outcome in outcomes:
        for count in outcome.counts:
            total = counts.setdefault(count.source, [0] * 7)
            fields = SourceCount.__struct_fields__[1:]
            counts[count.source] = [a + getattr(count, name) for a, name in zip(total, fields, strict=True)]
    return {
        "time": b"".join(r.time_ns for r in rows),
        "value": b"".join(r.value for r in rows),
        "score": b"".join(r.score for r in rows),
        "expected": b"".join(r.expected for r in rows),
        "contribution": b"".join(r.contribution for r in rows),
        "quality": b"".join(r.quality for r in rows),
        "alarms": [alarm for outcome in outcomes for alarm in outcome.alarms],
        "counts": counts,
    }


WHOLE = flat(run(a_day(), []))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 180), max_size=40), st.booleans())
def test_the_result_does_not_depend_on_the_cut(cuts: list[int], reload: bool) -> None:
    assert flat(run(a_day(), cuts, reload=reload)) == WHOLE


def test_one_message_at_a_time_through_storage_gives_the_same() -> None:
    assert flat(run(a_day(), range(400), reload=True)) == WHOLE


def test_the_run_shows_what_it_should() -> None:
    alarms = WHOLE["alarms"]
    assert isinstance(alarms, list)
    raised = {alarm.condition: alarm for alarm in alarms if alarm.event == "raise"}
    assert set(raised) == {"score", "limit:flow:H", "silence:*"}
    assert raised["score"].contributors[0].sensor == "pressure"
    assert "pressure" in raised["score"].reason
    assert "above" in raised["score"].reason
    assert raised["limit:flow:H"].reason == "flow 15 m³/h above its high limit of 14 m³/h"
    assert raised["silence:*"].reason.startswith("no reading from any sensor")


def test_every_value_is_accounted_for() -> None:
    counts = WHOLE["counts"]
    assert isinstance(counts, dict)
    accepted, used, duplicate, late, set_aside, held, gaps = counts["plc"]
    assert accepted == used + duplicate + late + set_aside + held
    assert (duplicate > 0, late, set_aside, held, gaps) == (True, 0, 0, 0, 0)


def test_a_request_for_a_model_comes_once_and_leaves_out_alarms() -> None:
    items: list[Item] = [CONFIGURED, *(batch(row, values) for row, values in enumerate(plant(100)))]
    requests = [outcome.fit_request for outcome in run(items, range(200)) if outcome.fit_request]
    assert len(requests) == 1
    assert requests[0].first_seq == 2
    spans = requests[0].spans
    assert sum((end - start) // NS + 1 for start, end in spans) == 60


def test_before_there_is_a_model_the_score_raises_nothing_but_limits_do() -> None:
    values = plant(50)
    values[30:, :] = 40.0
    outcomes = run([CONFIGURED, *(batch(row, line) for row, line in enumerate(values))], [])
    assert {alarm.condition for outcome in outcomes for alarm in outcome.alarms} == {"limit:flow:H"}
    assert outcomes[-1].phase is Phase.PROVISIONAL


def test_bad_values_are_set_aside_with_their_reason() -> None:
    lines = [[10.0, 3.0, np.nan], [np.inf, 3.0, 20.0], [99.0, 3.0, 20.0], [1e308, -1e308, 20.0]]
    outcomes = run([CONFIGURED, *(batch(row, line) for row, line in enumerate(lines))], [])
    reasons = [record.reason for outcome in outcomes for _, record in outcome.set_aside]
    assert reasons == ["not a finite number"] * 2 + ["outside the physical range"] * 2
    assert [count.set_aside for outcome in outcomes for count in outcome.counts] == [4]


def test_times_far_off_are_taken_in_replay_of_files_and_500_sensors_too() -> None:
    sensors = tuple(f"s{number}" for number in range(500))
    for time_ns in (0, 4_102_444_800 * NS):
        readings = [(time_ns + row * NS, sensor, 1.0) for row in range(5) for sensor in sensors]
        outcomes = run([batch_of(KEY, "file", readings, received_ns=T0, sequence=0)], [])
        rows = next(outcome.rows for outcome in outcomes if outcome.rows)
        assert rows.values().shape == (2, 500)
        assert np.isfinite(rows.scores()).all()


def test_unnumbered_repeats_are_found_by_sensor_and_time() -> None:
    first = batch(0, plant(1)[0], sequence=-1)
    outcomes = run([first, first, batch(1, plant(2)[1], sequence=-1)], [])
    assert [(count.accepted, count.duplicate) for outcome in outcomes for count in outcome.counts] == [(9, 3)]


def test_late_readings_are_counted_and_not_used() -> None:
    items = [*(batch(row, values) for row, values in enumerate(plant(10))), batch(2, plant(1)[0], sequence=99)]
    outcomes = run(items, [])
    assert [count.late for outcome in outcomes for count in outcome.counts] == [3]
