"""What a step holds in memory is bounded, however many rows of however many sensors its messages make."""

import tracemalloc
from collections.abc import Sequence

import pytest
from plant_runs import KEY, MODELS, NS, T0, Run, configured

from iot_edge_anomaly.core.errors import OverloadError
from iot_edge_anomaly.core.messages import Batch, Envelope, Item, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import SensorSettings
from iot_edge_anomaly.pipeline.state import dump_asset
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

SENSORS, ROWS = 200, 1_000


def wide_and_long(key: AssetKey = KEY, rows: int = ROWS, last: float = 0.0) -> tuple[Batch, Batch]:
    """A row of many sensors, then many rows of one: few readings, and every cell of the rectangle is worked out."""
    first = [(T0, f"s{number}", 1.0) for number in range(SENSORS)]
    more = [(T0 + row * NS, "s0", float(row % 7)) for row in range(1, rows)]
    more += [(T0 + (rows + later) * NS, "s0", last) for later in range(10)]
    return (
        batch_of(key, "plc", first, received_ns=T0, sequence=0),
        batch_of(key, "plc", more, received_ns=T0 + rows * NS, sequence=1),
    )


def test_the_memory_of_a_step_does_not_grow_with_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_edge_anomaly.pipeline.closing.MOST_CELLS", 10 * SENSORS)
    pipeline, (first, more) = AnomalyPipeline(), wide_and_long()
    state, _ = pipeline.step(pipeline.new_state(), [Envelope((first,), 1)], MODELS)
    tracemalloc.start()
    try:
        _, outcomes = pipeline.step(state, [Envelope((more,), 2)], MODELS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    rows = outcomes[0].rows
    assert rows is not None
    kept = len(rows.value) + len(rows.expected) + len(rows.contribution)
    assert kept > 15 * SENSORS * 900
    assert peak < 2.5 * kept


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step may hold a tenth of what the rows take, and works them out a hundredth at a time."""
    monkeypatch.setattr("iot_edge_anomaly.pipeline.closing.MOST_CELLS", SENSORS * ROWS // 100)
    monkeypatch.setattr("iot_edge_anomaly.pipeline.step.MOST_ROW_BYTES", 16 * SENSORS * ROWS // 10)


def split(items: Sequence[Item]) -> list[Envelope]:
    return [Envelope((item,), number) for number, item in enumerate(items, start=1)]


@pytest.mark.usefixtures("little_room")
def test_of_several_messages_fewer_are_asked_for() -> None:
    pipeline = AnomalyPipeline()
    with pytest.raises(OverloadError, match="fewer messages"):
        pipeline.step(pipeline.new_state(), split(wide_and_long()), MODELS)


@pytest.mark.usefixtures("little_room")
def test_rows_of_all_assets_are_counted_together() -> None:
    pipeline, assets = AnomalyPipeline(), [AssetKey("acme", f"pump-{number}") for number in range(12)]
    items = [batch for key in assets for batch in wide_and_long(key, rows=10)]
    one = AnomalyPipeline()
    one.step(one.new_state(), split(items[:2]), MODELS)
    with pytest.raises(OverloadError):
        pipeline.step(pipeline.new_state(), split(items), MODELS)


@pytest.mark.usefixtures("little_room")
def test_of_one_message_the_rows_beyond_are_left_out_and_all_else_stays() -> None:
    limit = configured(sensors={"s0": SensorSettings(high_limit=100.0)}, learn_rows=10 * ROWS)
    items = [limit, *wide_and_long(last=200.0)]
    run = Run(items, range(len(items)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iot_edge_anomaly.pipeline.step.MOST_ROW_BYTES", 1 << 40)
        whole = Run(items, range(len(items)))
    assert run.counts() == whole.counts()
    assert dump_asset(run.state.assets[KEY]) == dump_asset(whole.state.assets[KEY])
    assert [repr(o.alarms) for o in run.outcomes] == [repr(o.alarms) for o in whole.outcomes]
    assert [a.condition for o in run.outcomes for a in o.alarms] == ["limit:s0:H"]
    (kept,), (all_rows,) = (
        [outcome.rows for outcome in one.outcomes if outcome.rows is not None] for one in (run, whole)
    )
    assert 0 < len(kept.quality) <= ROWS // 10
    assert all_rows.value.startswith(kept.value)
    (notice,) = [notice for outcome in run.outcomes for notice in outcome.notices if notice.kind == "rows-dropped"]
    assert notice.text.startswith(f"{len(all_rows.quality) - len(kept.quality)} rows of {SENSORS} sensors")
    assert not [n for o in whole.outcomes for n in o.notices if n.kind == "rows-dropped"]


@pytest.mark.usefixtures("little_room")
def test_names_of_sensors_take_room_too() -> None:
    """Each message brings a sensor: every row stands alone with the names of all before it."""
    pipeline = AnomalyPipeline()
    items = [
        batch_of(KEY, "plc", [(T0 + 10 * row * NS, f"{row:0128}", 1.0)], received_ns=T0, sequence=row)
        for row in range(80)
    ]
    with pytest.raises(OverloadError):
        pipeline.step(pipeline.new_state(), split(items), MODELS)
