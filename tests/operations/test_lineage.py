"""Where an alarm comes from: every value of its row with its origin, also of what is held, made and missing."""

import io
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pytest
from rich.console import Console

from iot_edge_anomaly.bus.blobs import digest_of
from iot_edge_anomaly.bus.capsule import WHOLE, Capsule, inputs_of
from iot_edge_anomaly.cli.lineage import drawn
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import (
    Batch,
    Envelope,
    Item,
    ModelActivated,
    PlantConfigured,
    SetAside,
    Tick,
    batch_of,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.operations.lineage import Cell, Lineage, lineage_of
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, FusedSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack, unpack

NS = 1_000_000_000
T0 = 1_767_571_200 * NS
KEY = AssetKey("acme", "site/pump")
SENSORS = ("flow", "pressure")
random = np.random.default_rng(1)
NORMAL = np.stack([10 + np.sin(np.arange(300) / 5), 3 + 0.3 * np.sin(np.arange(300) / 5)], axis=1)
NORMAL += random.normal(size=NORMAL.shape) * 0.05
MODEL = pack(
    fit(NORMAL, SENSORS, rows_per_week=604_800.0, false_alarms_per_week=1.0),
    TrainingFacts(300, 1.0, 1.0, T0, T0 + 300 * NS, remarks="nothing odd"),
)
DIGEST = digest_of(MODEL)
SETTINGS = AssetSettings(
    lateness_seconds=0.0,
    learn_rows=10_000,
    silence_seconds=30.0,
    fused={"level": FusedSettings(of=("l_a", "l_b"), tolerance=0.5)},
    sensors={"flow": SensorSettings(unit="m³/h", high_limit=14.0)},
)


def sent(second: int, values: Mapping[str, float], source: str = "plc", shift_ns: int = 0, **how: object) -> Batch:
    at_ns = T0 + second * NS + shift_ns
    readings = [(at_ns, sensor, value) for sensor, value in values.items()]
    return batch_of(KEY, source, readings, received_ns=at_ns, sequence=second, epoch=7, **how)


def usual(second: int) -> Batch:
    flow, pressure = NORMAL[second].tolist()
    return sent(second, {"flow": flow, "pressure": pressure})


def lineages(items: Sequence[Item], checkpoint: int = 5, with_model: bool = True) -> dict[str, Lineage]:
    """The lineages of all alarms that were raised, sealed with the state after so many messages."""
    capsules, models = sealed(items, checkpoint, with_model)
    return {capsule.alarm.condition: lineage_of(capsule, models) for capsule in capsules}


def sealed_score(items: Sequence[Item]) -> tuple[Capsule, dict[str, Detector]]:
    capsules, models = sealed(items, 5, True)
    return next(capsule for capsule in capsules if capsule.alarm.condition == "score"), models


def sealed(items: Sequence[Item], checkpoint: int, with_model: bool) -> tuple[list[Capsule], dict[str, Detector]]:
    models: dict[str, Detector] = {DIGEST: unpack(MODEL)}
    control: list[Item] = [PlantConfigured("v9", pack_rules((AssetRule("acme/*", SETTINGS),)), T0)]
    control += [ModelActivated(KEY.tenant, KEY.asset, DIGEST, T0)] if with_model else []
    envelopes = [Envelope((item,), 100 + number) for number, item in enumerate([*control, *items])]
    pipeline = AnomalyPipeline()
    state, _ = pipeline.step(pipeline.new_state(), envelopes[:checkpoint], models)
    dump = pipeline.dump(state)
    found = []
    for number in range(checkpoint, len(envelopes)):
        state, outcomes = pipeline.step(state, [envelopes[number]], models)
        for alarm in (alarm for outcome in outcomes for alarm in outcome.alarms if alarm.event == "raise"):
            inputs = inputs_of(KEY, envelopes[checkpoint:], envelopes[-1].seq)
            found.append(
                Capsule(WHOLE, 3, KEY.tenant, KEY.asset, dump.shared, dump.assets[KEY], inputs, {DIGEST: MODEL}, alarm)
            )
    return found, models


def cells(found: Lineage) -> dict[str, Cell]:
    return {cell.sensor: cell for cell in found.cells}


def shown(found: Lineage) -> str:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as caught:
        console.print(drawn(found))
    return caught.get()


def test_each_value_of_the_row_is_traced_to_the_reading_that_was_sent() -> None:
    items = [*map(usual, range(20)), *(sent(second, {"flow": 20.0, "pressure": 3.0}) for second in range(20, 30))]
    found = lineages(items)["limit:flow:H"]
    assert found.row_ns == T0 + 20 * NS
    flow = cells(found)["flow"]
    assert (flow.how, flow.value) == ("read", 20.0)
    assert flow.reading is not None
    assert (flow.reading.source, flow.reading.epoch, flow.reading.sequence) == ("plc", 7, 20)
    assert flow.reading.time_ns == T0 + 20 * NS
    assert (found.partition, found.first_seq) == (3, 105)
    (source,) = found.sources
    assert (source.source, source.epochs, source.sequences) == ("plc", (7,), (3, 29))


def test_the_model_and_the_settings_stand_beside_it() -> None:
    items = [*map(usual, range(20)), *(sent(second, {"flow": 6.0, "pressure": 3.4}) for second in range(20, 40))]
    found = lineages(items)["score"]
    assert found.model is not None
    assert (found.model.digest, found.model.rows, found.model.remarks) == (DIGEST, 300, "nothing odd")
    assert found.version == "v9"
    assert found.settings["learn_rows"] == 10_000
    assert "season" not in found.settings
    assert found.score > 1
    assert sum(cell.share for cell in found.cells) == pytest.approx(1.0, abs=1e-4)
    assert found.cells[0].share == max(cell.share for cell in found.cells)
    assert found.cells[0].expected is not None


def test_what_is_held_made_changed_by_nobody_or_missing_says_so() -> None:
    rows: list[Item] = []
    for second in range(30):
        values = {"flow": 20.0 if second >= 20 else 10.0, "l_a": 1.0, "l_b": 1.1}
        if second < 15:
            values["pressure"] = 3.0
        rows.append(sent(second, values))
    aside = sent(20, {}, "hmi", set_aside=(SetAside(0, "flow", "no number", b"x"),))
    found = lineages([*rows[:20], aside, *rows[20:]], with_model=False)["limit:flow:H"]
    held, made = cells(found)["pressure"], cells(found)["level"]
    assert (held.how, held.since_ns, held.reading) == ("held", T0 + 14 * NS, None)
    assert (made.how, made.note) == ("made", "median of l_a, l_b that agree to 0.5")
    assert made.value == pytest.approx(1.05)
    (hmi,) = [source for source in found.sources if source.source == "hmi"]
    assert hmi.set_aside == {"no number": 1}


def test_what_was_last_read_before_the_checkpoint_is_known_from_it() -> None:
    rows: list[Item] = [sent(0, {"flow": 10.0, "pressure": 3.0})]
    rows += [sent(second, {"flow": 20.0 if second >= 12 else 10.0}) for second in range(1, 20)]
    held = cells(lineages(rows, checkpoint=8, with_model=False)["limit:flow:H"])["pressure"]
    assert (held.how, held.since_ns) == ("held", T0)


def test_a_reading_that_waited_at_the_checkpoint_is_known_without_its_number() -> None:
    rows: list[Item] = [sent(second, {"flow": 10.0}) for second in range(5)]
    rows.append(sent(5, {"flow": 20.0}))
    rows += [sent(second, {"flow": 20.0}) for second in range(6, 9)]
    found = lineages(rows, checkpoint=7, with_model=False)["limit:flow:H"]
    reading = cells(found)["flow"].reading
    assert reading is not None
    assert (reading.source, reading.sequence, reading.value) == ("plc", -1, 20.0)


def test_what_was_refused_late_or_a_repeat_is_no_origin() -> None:
    """Only what was taken in can be what a value is: not what was refused, came late, or came again."""
    rows: list[Item] = [sent(second, {"flow": 10.0, "pressure": 3.0}) for second in range(12)]
    rows += [sent(second, {"flow": 20.0}) for second in range(12, 15)]
    at_ns = T0 + 12 * NS
    bad = batch_of(KEY, "plc", [(at_ns, "pressure", 99.0)], received_ns=at_ns, sequence=500, epoch=7, quality=[0])
    nan = sent(12, {"pressure": float("nan")}, "hmi")
    again = sent(12, {"flow": 7.0})
    late = sent(40, {"flow": 55.0}, shift_ns=-28 * NS)
    found = lineages([*rows[:12], bad, nan, *rows[12:13], again, *rows[13:], late], with_model=False)["limit:flow:H"]
    flow, pressure = cells(found)["flow"], cells(found)["pressure"]
    assert flow.reading is not None
    assert (flow.how, flow.value, flow.reading.value, flow.reading.sequence) == ("read", 20.0, 20.0, 12)
    assert (pressure.how, pressure.value, pressure.since_ns) == ("held", 3.0, T0 + 11 * NS)


def test_an_alarm_that_does_not_come_out_again_is_not_explained() -> None:
    items = [*map(usual, range(20)), *(sent(second, {"flow": 6.0, "pressure": 3.4}) for second in range(20, 40))]
    capsule, models = sealed_score(items)
    with pytest.raises(RejectedError, match="was not sealed with it"):
        lineage_of(msgspec.structs.replace(capsule, models={}), {})
    other = msgspec.structs.replace(capsule.alarm, alarm_id="Aother")
    with pytest.raises(RejectedError, match="does not come out again"):
        lineage_of(msgspec.structs.replace(capsule, alarm=other), models)


def test_silence_has_no_row() -> None:
    items: list[Item] = [*(sent(second, {"flow": 10.0}) for second in range(10)), Tick(T0 + 10 * NS)]
    items += [Tick(T0 + second * NS) for second in range(20, 80, 10)]
    found = next(one for name, one in lineages(items, with_model=False).items() if name.startswith("silence"))
    assert (found.row_ns, found.cells, found.model) == (0, (), None)
    assert "by what did not come" in shown(found)


def test_it_is_drawn_in_words() -> None:
    items = [*map(usual, range(20)), *(sent(second, {"flow": 6.0, "pressure": 3.4}) for second in range(20, 40))]
    text = shown(lineages(items)["score"])
    for words in (
        "acme/site/pump: ",
        "read by plc, epoch 7, number 2",
        "learned from 300 rows of 2026-01-05 00:00:00",
        "configuration v9",
        "iot-edge-anomaly replay-alarm",
        "epoch 7, numbers 3 to 39",
    ):
        assert words in text


def test_a_damaged_capsule_is_refused_and_not_half_told() -> None:
    items = [*map(usual, range(20)), *(sent(second, {"flow": 20.0, "pressure": 3.0}) for second in range(20, 30))]
    alarm = lineages(items)["limit:flow:H"].alarm
    capsule = Capsule(WHOLE, 0, KEY.tenant, KEY.asset, b"x", b"y", ((1, b"z"),), {}, alarm)
    with pytest.raises(RejectedError, match="damaged"):
        lineage_of(capsule, {})


def test_it_can_be_written_as_json_and_read_back() -> None:
    items = [*map(usual, range(20)), *(sent(second, {"flow": 20.0, "pressure": 3.0}) for second in range(20, 30))]
    for found in lineages(items).values():
        written = msgspec.json.encode(found)
        assert msgspec.json.encode(msgspec.json.decode(written, type=Lineage)) == written
