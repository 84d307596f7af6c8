"""A partition with a small plant: what is put in, a processor over it on a real server, and what came of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
from bus_server import eventually

from iot_edge_anomaly.bus.blobs import Blobs, digest_of
from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope, encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item, ModelActivated, PlantConfigured, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack, unpack

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "site/pump-1")
SENSORS = ("flow", "pressure")
LIMITED = SensorSettings(unit="m³/h", high_limit=14.0)
RULES = (AssetRule("acme/*", AssetSettings(lateness_seconds=0.0, learn_rows=10_000, sensors={"flow": LIMITED})),)
CONFIGURED = PlantConfigured("v1", pack_rules(RULES), T0)
NORMAL = np.stack([10 + np.sin(np.arange(300) / 5), 3 + 0.3 * np.sin(np.arange(300) / 5)], axis=1)
NORMAL += np.random.default_rng(7).normal(size=NORMAL.shape) * 0.05
MODEL = pack(
    fit(NORMAL, SENSORS, rows_per_week=604_800.0, false_alarms_per_week=1.0),
    TrainingFacts(len(NORMAL), 1.0, 1.0),
)
ACTIVATED = ModelActivated(KEY.tenant, KEY.asset, digest_of(MODEL), T0)


def row(second: int, flow: float, pressure: float, key: AssetKey = KEY, source: str = "plc") -> Batch:
    time_ns = T0 + second * NS
    readings = [(time_ns, "flow", flow), (time_ns, "pressure", pressure)]
    return batch_of(key, source, readings, received_ns=time_ns, sequence=second)


def usual(seconds: range) -> list[Item]:
    return [row(second, *NORMAL[second].tolist()) for second in seconds]


def with_alarms(rows: int = 40) -> list[Item]:
    """A configured asset with a model; in the second half the flow stands beyond its limit for a while."""
    half = rows // 2
    beyond = [row(second, 20.0, 3.0) for second in range(half, half + 8)]
    return [CONFIGURED, ACTIVATED, *usual(range(half)), *beyond, *usual(range(half + 8, rows))]


async def put_in(bus: Bus, items: Sequence[Item], partition: int = 0) -> int:
    """Store items, one a message; return the sequence of the last."""
    await Blobs(bus).put(MODEL)
    seq = 0
    for item in items:
        seq = await bus.publish(readings_subject(partition), encode_items([item]))
    return seq


@asynccontextmanager
async def processing(
    bus: Bus, partition: int = 0, pipeline: AnomalyPipeline | None = None
) -> AsyncIterator[Processor[PartitionState]]:
    """A processor at work; stopped in good order at the end."""
    stop = asyncio.Event()
    processor: Processor[PartitionState] = Processor(bus, partition, pipeline or AnomalyPipeline(), unpack)
    task = asyncio.create_task(processor.run(stop))
    try:
        yield processor
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


async def commits_of(bus: Bus, partition: int = 0) -> list[Commit]:
    found: list[Commit] = []
    seq = 1
    while messages := await bus.read(OUTCOMES, outcomes_subject(partition), seq):
        found += [decode_commit(message.data) for message in messages]
        seq = messages[-1].seq + 1
    return found


async def worked_in(bus: Bus, last_seq: int, partition: int = 0) -> list[Commit]:
    """Wait until the input up to a sequence has led to commits; return all."""

    async def is_done() -> bool:
        try:
            last = await bus.last(OUTCOMES, outcomes_subject(partition))
        except UnavailableError:
            return False
        return last is not None and decode_commit(last.data).last_seq >= last_seq

    await eventually(is_done)
    return await commits_of(bus, partition)


def concluded(outcomes: Sequence[AssetOutcome]) -> dict[str, Any]:
    """What must not depend on cuts, crashes or who did the work."""
    rows = [outcome.rows for outcome in outcomes if outcome.rows is not None]
    columns = ("time_ns", "value", "score", "quality", "expected", "contribution")
    return {
        **{name: b"".join(getattr(block, name) for block in rows) for name in columns},
        "alarms": [msgspec.msgpack.encode(alarm) for outcome in outcomes for alarm in outcome.alarms],
        "notices": [notice for outcome in outcomes for notice in outcome.notices],
        "accepted": sum(count.accepted for outcome in outcomes for count in outcome.counts),
        "used": sum(count.used for outcome in outcomes for count in outcome.counts),
        "duplicate": sum(count.duplicate for outcome in outcomes for count in outcome.counts),
    }


async def expected(bus: Bus, partition: int = 0) -> dict[str, Any]:
    """What the pipeline alone makes of all that was put in, in one step."""
    messages = await bus.read(READINGS, readings_subject(partition), 1, max_messages=10_000)
    pipeline = AnomalyPipeline()
    envelopes = [decode_envelope(message.data, message.seq) for message in messages]
    _, outcomes = pipeline.step(pipeline.new_state(), envelopes, {ACTIVATED.digest: unpack(MODEL)})
    return concluded(outcomes)


def all_of(commits: Sequence[Commit]) -> list[AssetOutcome]:
    return [outcome for commit in commits for outcome in commit.assets]
