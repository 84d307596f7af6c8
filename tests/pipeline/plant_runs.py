"""Runs of a small plant through the pipeline: messages made up, cut into steps in any way, and what came of them."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import Batch, Envelope, Item, PlantConfigured, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, FitRequest, SourceCount
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.state import PartitionState, dump_asset
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "site/pump-1")
SENSORS = ("flow", "pressure", "power")
FLOW = SensorSettings(unit="m³/h", high_limit=14.0, deadband=0.5, low=-50.0, high=50.0)
SETTINGS = AssetSettings(
    lateness_seconds=2.0,
    hold_seconds=3.0,
    learn_rows=60,
    silence_seconds=20.0,
    on_delay_rows=2,
    off_delay_rows=3,
    sensors={"flow": FLOW},
)


def configured(version: str = "v1", **changes: object) -> PlantConfigured:
    settings = msgspec.structs.replace(SETTINGS, **changes)
    return PlantConfigured(version, pack_rules((AssetRule("acme/*", settings),)), T0)


CONFIGURED = configured()


def plant(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flow = 10 + np.sin(np.arange(rows) / 5) + rng.normal(size=rows) * 0.1
    return np.stack([flow, 0.3 * flow + rng.normal(size=rows) * 0.05, 2 * flow + rng.normal(size=rows) * 0.1], axis=1)


def _models() -> Mapping[str, Detector]:
    rows = plant(300)
    whole = fit(rows, SENSORS, rows_per_week=604_800, false_alarms_per_week=1.0)
    part = fit(rows[:, 1::-1], SENSORS[1::-1], rows_per_week=604_800, false_alarms_per_week=1.0)
    return {"sha256:m": whole, "sha256:part": part}


MODELS = _models()


def batch(
    row: float,
    values: Sequence[float],
    *,
    sequence: int | None = None,
    sensors: Sequence[str] = SENSORS,
    key: AssetKey = KEY,
    source: str = "plc",
    epoch: int = 0,
    quality: Sequence[int] | None = None,
) -> Batch:
    """One row of readings, `row` seconds after the beginning; numbered by it unless told otherwise."""
    time_ns = T0 + round(row * NS)
    readings = [(time_ns, sensor, float(value)) for sensor, value in zip(sensors, values, strict=True)]
    number = int(row) if sequence is None else sequence
    return batch_of(key, source, readings, received_ns=time_ns, epoch=epoch, sequence=number, quality=quality)


class Run:
    """Items worked through, one a message, cut into steps at `cuts`; with `reload`, through storage after each step."""

    def __init__(self, items: Sequence[Item], cuts: Sequence[int] = (), *, reload: bool = False) -> None:
        self.outcomes: list[AssetOutcome] = []
        pipeline = AnomalyPipeline()
        state: PartitionState = pipeline.new_state()
        stored: dict[AssetKey, bytes] = {}
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(items)}), len(items)]
        for start, stop in pairwise(edges):
            state, said = pipeline.step(state, [Envelope((items[i],), i + 1) for i in range(start, stop)], MODELS)
            self.outcomes += said
            if reload:
                shared, changed = pipeline.dump(state)
                stored |= changed
                state = pipeline.load(shared, stored)
        self.state = state

    def counts(self) -> dict[tuple[AssetKey, str], SourceCount]:
        """The sums of what became of the values of each source."""
        totals: dict[tuple[AssetKey, str], SourceCount] = {}
        for outcome in self.outcomes:
            for count in outcome.counts:
                before = totals.get((outcome.key, count.source), SourceCount(count.source))
                names = SourceCount.__struct_fields__[1:]
                sums = (getattr(before, name) + getattr(count, name) for name in names)
                totals[outcome.key, count.source] = SourceCount(count.source, *sums)
        return totals

    def requests(self) -> list[FitRequest]:
        """What was asked of the trainer."""
        return [outcome.fit_request for outcome in self.outcomes if outcome.fit_request is not None]

    def concluded(self) -> dict[AssetKey, dict[str, object]]:
        """All that must not depend on the cuts, and the state at the end."""
        return {key: self._of(key) for key in self.state.assets}

    def _of(self, key: AssetKey) -> dict[str, object]:
        own = [outcome for outcome in self.outcomes if outcome.key == key]
        rows = [outcome.rows for outcome in own if outcome.rows is not None]
        columns = ("time_ns", "value", "score", "quality", "expected", "contribution")
        asked = [msgspec.structs.replace(o.fit_request, last_seq=0) for o in own if o.fit_request is not None]
        return {
            **{name: b"".join(getattr(block, name) for block in rows) for name in columns},
            "of": [(r.sensors, r.phase, r.model) for r in rows for _ in r.quality],
            "alarms": [repr(alarm) for outcome in own for alarm in outcome.alarms],
            "notices": [notice for outcome in own for notice in outcome.notices],
            "set_aside": [record for outcome in own for record in outcome.set_aside],
            "asked": asked[-1:],
            "counts": {source: count for (asset, source), count in self.counts().items() if asset == key},
            "state": dump_asset(self.state.assets[key]),
        }
