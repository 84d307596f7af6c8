"""Seal the capsules of alarms before the next checkpoint is written: a crash between the two seals them again.

What alarms of one asset rest on is stored once. Of a storm of them the first by priority are sealed; of each of the
others it is said why it was not.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from iot_edge_anomaly.bus.blobs import AT_ONCE, Blobs
from iot_edge_anomaly.bus.capsule import FORMAT, Capsule, inputs_of, mark_not_sealed, seal
from iot_edge_anomaly.bus.checkpoint import Checkpoint
from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.models import ModelShelf
from iot_edge_anomaly.bus.since import Since, activated
from iot_edge_anomaly.component.pipeline import Pipeline, State
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Priority

MOST_SEALED = 32
"""So many alarms of an asset are sealed for a checkpoint."""

Raised = tuple[AlarmEvent, int]
"""An alarm, and the last message of the step that raised it."""


class _Evidence(NamedTuple):
    """What the alarms of an asset rest on."""

    state: bytes | None
    inputs: tuple[tuple[int, bytes], ...]
    models: dict[str, bytes]


async def seal_alarms(
    bus: Bus, partition: int, pipeline: Pipeline[State], shelf: ModelShelf, before: Checkpoint, since: Since
) -> None:
    """Seal what was raised since a checkpoint: the state of its asset then, the input since, and the models used."""
    blobs = Blobs(bus)
    for key, raised in _by_asset(since).items():
        first, others = chosen(raised)
        found = await _evidence(blobs, pipeline, shelf, before, since, key)
        capsules = []
        for alarm, last_seq in first:
            inputs = tuple((seq, data) for seq, data in found.inputs if seq <= last_seq)
            known = (before.shared, found.state, inputs, found.models)
            capsules.append(Capsule(FORMAT, partition, key.tenant, key.asset, *known, alarm))
        await seal(bus, blobs, *capsules)
        if others:
            await _mark(bus, key, first, others)


def chosen(raised: Sequence[Raised]) -> tuple[list[Raised], list[Raised]]:
    """Return which alarms of an asset are sealed and which are not: the most urgent, among equals the first."""
    ranks = list(Priority)
    ordered = sorted(raised, key=lambda pair: -ranks.index(pair[0].priority))
    return ordered[:MOST_SEALED], ordered[MOST_SEALED:]


def _by_asset(since: Since) -> dict[AssetKey, list[Raised]]:
    assets: dict[AssetKey, list[Raised]] = {}
    for key, alarm, last_seq in since.alarms:
        assets.setdefault(key, []).append((alarm, last_seq))
    return assets


async def _evidence(
    blobs: Blobs, pipeline: Pipeline[State], shelf: ModelShelf, before: Checkpoint, since: Since, key: AssetKey
) -> _Evidence:
    digest = before.assets.get(key)
    state = await blobs.get(digest) if digest else None
    inputs = inputs_of(key, since.envelopes, since.envelopes[-1].seq)
    models = activated([decode_envelope(data, seq) for seq, data in inputs])
    models |= _models_before(pipeline, before.shared, key, state)
    return _Evidence(state, inputs, shelf.bytes_of(models))


def _models_before(pipeline: Pipeline[State], shared: bytes | None, key: AssetKey, state: bytes | None) -> set[str]:
    """Return what scored the asset at the checkpoint: rows need it, also where the alarm names no model."""
    if shared is None or state is None:
        return set()
    return pipeline.models_of(pipeline.load(shared, {key: state}))


async def _mark(bus: Bus, key: AssetKey, first: Sequence[Raised], others: Sequence[Raised]) -> None:
    why = (
        f"{len(first) + len(others)} alarms of {key} were raised at once, of those the first {len(first)} by priority "
        f"were sealed; one of them: iot-edge-anomaly replay-alarm {first[0][0].alarm_id}"
    )
    limit = asyncio.Semaphore(AT_ONCE)

    async def mark(alarm_id: str) -> None:
        async with limit:
            await mark_not_sealed(bus, alarm_id, why)

    await asyncio.gather(*(mark(alarm.alarm_id) for alarm, _ in others))
