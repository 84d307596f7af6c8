"""A drift that was committed is counted once, whatever crashes and is worked through again."""

import numpy as np
import pytest
from partition_runs import (  # type: ignore[import-not-found]
    CONFIGURED,
    KEY,
    SENSORS,
    T0,
    all_of,
    processing,
    put_in,
    row,
    worked_in,
)

from iot_edge_anomaly.bus.blobs import Blobs, digest_of
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.messages import ModelActivated
from iot_edge_anomaly.core.outcomes import DRIFT
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.detection.usual import learn
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack

pytestmark = [pytest.mark.server, pytest.mark.anyio]

ROWS = np.random.default_rng(0).normal(size=(1_300, 2)) * 0.1 + np.array([10.0, 3.0])


def counted() -> float:
    return REGISTRY.get_sample_value("iea_drifts_total", {"what": "data"}) or 0.0


async def test_a_drift_is_counted_once(nats_bus: Bus) -> None:
    detector = fit(ROWS[:800], SENSORS, rows_per_week=604_800.0, false_alarms_per_week=1.0)
    watched = WatchedDetector(detector, learn(ROWS[:800], np.full((800, 2), np.nan)))
    model = pack(watched, TrainingFacts(800, 1.0, 1.0))
    await Blobs(nats_bus).put(model)
    items = [CONFIGURED, ModelActivated(KEY.tenant, KEY.asset, digest_of(model), T0)]
    items += [row(second, flow + 2.0, pressure) for second, (flow, pressure) in enumerate(ROWS[800:].tolist())]
    before, last = counted(), await put_in(nats_bus, items)
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    last = await put_in(nats_bus, [row(600, 12.0, 3.0)])
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    told = [notice for outcome in all_of(commits) for notice in outcome.notices if notice.kind == DRIFT]
    assert [(notice.sensor, notice.note) for notice in told] == [("flow", "data")]
    assert counted() - before == 1
