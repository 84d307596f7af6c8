"""Capsules: all that one alarm rested on, sealed, so that it can be worked out again after its input is gone."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.codec import decode_envelope, encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import CAPSULES
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.component.pipeline import Pipeline, State
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Envelope, PlantConfigured, Tick
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent

FORMAT = 1
CLOSE = 1e-6


class Capsule(msgspec.Struct, frozen=True):
    """The asset's state before, the input since, the models' own bytes, and the alarm as it was recorded.

    `inputs` are READINGS messages cut down to what concerns the asset, with their sequences.
    """

    format: int
    partition: int
    tenant: str
    asset: str
    shared: bytes | None
    state: bytes | None
    inputs: tuple[tuple[int, bytes], ...]
    models: dict[str, bytes]
    alarm: AlarmEvent


class Match(StrEnum):
    """How a replayed alarm compares with the recorded one."""

    EXACT = "exact"
    CLOSE = "within 1e-6"
    DIFFERENT = "different"
    MISSING = "missing"


class Replay(msgspec.Struct, frozen=True):
    """What came of a replay."""

    match: Match
    recorded: AlarmEvent
    replayed: AlarmEvent | None


def inputs_of(key: AssetKey, envelopes: Sequence[Envelope], last_seq: int) -> tuple[tuple[int, bytes], ...]:
    """Return what concerns an asset in messages up to a sequence: its own items, ticks and configuration, in order."""
    kept = []
    for envelope in envelopes:
        items = tuple(
            item
            for item in envelope.items
            if isinstance(item, Tick | PlantConfigured) or (item.tenant, item.asset) == (key.tenant, key.asset)
        )
        if items and envelope.seq <= last_seq:
            kept.append((envelope.seq, encode_items(items)))
    return tuple(kept)


async def seal(bus: Bus, blobs: Blobs, capsule: Capsule) -> None:
    """Store a capsule; sealing the same alarm again changes nothing."""
    digest = await blobs.put(msgspec.msgpack.encode(capsule))
    key = capsule.alarm.alarm_id
    if await bus.get_key(CAPSULES, key) is None:
        await bus.put_key(CAPSULES, key, digest.encode())


async def open_capsule(bus: Bus, blobs: Blobs, alarm_id: str) -> Capsule:
    """Return the capsule of an alarm. Raises RejectedError where there is none."""
    found = await bus.get_key(CAPSULES, alarm_id)
    if found is None:
        raise RejectedError(f"there is no capsule of alarm {alarm_id!r}; list alarms with: iot-edge-anomaly alarms")
    return msgspec.msgpack.decode(await blobs.get(found[0].decode()), type=Capsule)


def replay(capsule: Capsule, pipeline: Pipeline[State], models: Mapping[str, Detector]) -> Replay:
    """Work the alarm out again from what is sealed, and compare."""
    key = AssetKey(capsule.tenant, capsule.asset)
    state = pipeline.new_state()
    if capsule.shared is not None:
        state = pipeline.load(capsule.shared, {key: capsule.state} if capsule.state is not None else {})
    envelopes = [decode_envelope(data, seq) for seq, data in capsule.inputs]
    _, outcomes = pipeline.step(state, envelopes, models)
    found = next(
        (
            event
            for outcome in outcomes
            for event in outcome.alarms
            if (event.alarm_id, event.event) == (capsule.alarm.alarm_id, capsule.alarm.event)
        ),
        None,
    )
    return Replay(_compare(capsule.alarm, found), capsule.alarm, found)


def _compare(recorded: AlarmEvent, found: AlarmEvent | None) -> Match:
    if found is None:
        return Match.MISSING
    if msgspec.msgpack.encode(found) == msgspec.msgpack.encode(recorded):
        return Match.EXACT
    same = (found.condition, found.time_ns, found.before, found.after) == (
        recorded.condition,
        recorded.time_ns,
        recorded.before,
        recorded.after,
    )
    return Match.CLOSE if same and abs(found.score - recorded.score) <= CLOSE * abs(recorded.score) else Match.DIFFERENT
