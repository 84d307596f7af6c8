"""Capsules: all that one alarm rested on, sealed, so that it can be worked out again after its input is gone."""

import contextlib
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
import numpy as np

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.blobs import Blobs, digest_of
from iot_edge_anomaly.bus.codec import decode_envelope, encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import CAPSULES
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.component.pipeline import Pipeline, State
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError
from iot_edge_anomaly.core.messages import Envelope, PlantConfigured, Tick
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Contributor

FORMAT = 2
"""In parts: state, input and models are blobs of their own, which all alarms that rest on them share."""

WHOLE = 1
"""The format before: all in one blob. It is read."""

CLOSE = 1e-6
BROKEN = (IotEdgeAnomalyError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError)
"""What a step runs into whose state or input is not what it once was: indices, lengths and times out of place."""

NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What the name of an alarm looks like: a key, no pattern."""


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


class _InParts(msgspec.Struct, frozen=True):
    """A capsule as it is stored: what it rests on is named by digest."""

    format: int
    partition: int
    tenant: str
    asset: str
    shared: str | None
    state: str | None
    inputs: str
    models: tuple[str, ...]
    alarm: AlarmEvent


class Match(StrEnum):
    """How a replayed alarm compares with the recorded one."""

    EXACT = "exact"
    CLOSE = "within 1e-6"
    DIFFERENT = "different"
    MISSING = "missing"
    DAMAGED = "damaged"


class Replay(msgspec.Struct, frozen=True):
    """What came of a replay; `why` says what does not fit together in a damaged capsule."""

    match: Match
    recorded: AlarmEvent
    replayed: AlarmEvent | None
    why: str = ""


class _Version(msgspec.Struct):
    format: int


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


class Sealed(msgspec.Struct, frozen=True, tag="sealed"):
    """What stands under an alarm's name while its capsule is there: its blob, the size of it, when it was sealed.

    `parts`: the blobs that it names, and their sizes; others may name them too.
    """

    digest: str
    size: int
    at_ns: int
    parts: dict[str, int] = {}


class Removed(msgspec.Struct, frozen=True, tag="removed"):
    """What stands there once the capsule was removed."""

    at_ns: int
    why: str


class NotSealed(Removed, frozen=True, tag="not-sealed"):
    """What stands there where a capsule was never made."""


Record = Sealed | Removed | NotSealed

_records: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


async def seal(bus: Bus, blobs: Blobs, *capsules: Capsule) -> None:
    """Store capsules, what they share once; sealing an alarm again changes nothing, also where it was removed since."""
    data: dict[str, bytes] = {}
    records: dict[str, Sealed] = {}
    for capsule in capsules:
        if await bus.get_key(CAPSULES, capsule.alarm.alarm_id) is None:
            own, parts = _in_parts(capsule)
            sizes = {digest: len(part) for digest, part in parts.items()}
            records[capsule.alarm.alarm_id] = Sealed(digest_of(own), len(own), time.time_ns(), sizes)
            data |= {digest_of(own): own, **parts}

    async def name() -> None:
        for alarm_id, record in records.items():
            with contextlib.suppress(FencedError):  # somebody sealed it meanwhile
                await bus.put_key(CAPSULES, alarm_id, msgspec.json.encode(record), revision=0)

    await blobs.put_named(data.values(), name)


async def mark_not_sealed(bus: Bus, alarm_id: str, why: str) -> None:
    """Say why there is no capsule of an alarm, where nothing stands under its name yet."""
    with contextlib.suppress(FencedError):
        await bus.put_key(CAPSULES, alarm_id, msgspec.json.encode(NotSealed(time.time_ns(), why)), revision=0)


async def capsule_records(bus: Bus) -> dict[str, tuple[Record, int]]:
    """Return what stands under each alarm and its revision, oldest first. Raises RejectedError if it is no record."""
    entries = await bus.entries(CAPSULES)
    return {alarm_id: (_record(alarm_id, value), revision) for alarm_id, (value, revision) in entries.items()}


async def named_by_capsules(bus: Bus) -> set[str]:
    """Return the digests of all capsules that are kept, and of their parts."""
    kept = [record for record, _ in (await capsule_records(bus)).values() if isinstance(record, Sealed)]
    return {digest for record in kept for digest in (record.digest, *record.parts)}


async def mark_removed(bus: Bus, alarm_id: str, marker: Removed, revision: int) -> None:
    """Put a marker in the place of a capsule. Raises FencedError if it has changed since."""
    await bus.put_key(CAPSULES, alarm_id, msgspec.json.encode(marker), revision=revision)


async def is_recorded(bus: Bus, alarm_id: str) -> bool:
    """Tell whether the checkpoint after an alarm was written: what it could be replayed from is sealed, or why not."""
    return NAME.fullmatch(alarm_id) is None or await bus.get_key(CAPSULES, alarm_id) is not None


async def open_capsule(bus: Bus, blobs: Blobs, alarm_id: str) -> Capsule:
    """Return the capsule of an alarm. Raises RejectedError where there is none, saying why, or where it is damaged."""
    found = await bus.get_key(CAPSULES, alarm_id) if NAME.fullmatch(alarm_id) else None
    if found is None:
        raise RejectedError(f"there is no capsule of alarm {alarm_id!r}; list alarms with: iot-edge-anomaly alarms")
    record = _record(alarm_id, found[0])
    if isinstance(record, Removed):
        raise RejectedError(f"alarm {alarm_id} can be listed but not replayed: {_why_not_there(record)}")
    try:
        data = await blobs.get(record.digest)
        if _format(data) == FORMAT:
            return await _assembled(blobs, data)
    except RejectedError as error:
        raise RejectedError(f"the capsule of alarm {alarm_id} is damaged: {error}") from error
    return unpack_capsule(data)


def _in_parts(capsule: Capsule) -> tuple[bytes, dict[str, bytes]]:
    """Return what is the capsule's own, and its parts by digest."""
    parts = dict(capsule.models)

    def part(data: bytes) -> str:
        digest = digest_of(data)
        parts[digest] = data
        return digest

    own = _InParts(
        FORMAT,
        capsule.partition,
        capsule.tenant,
        capsule.asset,
        None if capsule.shared is None else part(capsule.shared),
        None if capsule.state is None else part(capsule.state),
        part(msgspec.msgpack.encode(capsule.inputs)),
        tuple(capsule.models),
        capsule.alarm,
    )
    return msgspec.msgpack.encode(own), parts


async def _assembled(blobs: Blobs, data: bytes) -> Capsule:
    """Bring a capsule and its parts together. Raises RejectedError where one is missing or damaged."""
    with _understood():
        own = msgspec.msgpack.decode(data, type=_InParts)
        shared = None if own.shared is None else await blobs.get(own.shared)
        state = None if own.state is None else await blobs.get(own.state)
        inputs = msgspec.msgpack.decode(await blobs.get(own.inputs), type=tuple[tuple[int, bytes], ...])
    models = {digest: await blobs.get(digest) for digest in own.models}
    return Capsule(FORMAT, own.partition, own.tenant, own.asset, shared, state, inputs, models, own.alarm)


def _format(data: bytes) -> int:
    with _understood():
        return msgspec.msgpack.decode(data, type=_Version).format


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError(f"the capsule is damaged: {error}") from error


def unpack_capsule(data: bytes) -> Capsule:
    """Read a capsule that is whole. Raises RejectedError where it is damaged or of a format that is not known."""
    if (version := _format(data)) != WHOLE:
        raise RejectedError(
            f"the capsule has format {version}, this program reads {WHOLE} and {FORMAT}: use the version that sealed it"
        )
    with _understood():
        capsule = msgspec.msgpack.decode(data, type=Capsule)
    for digest, model in capsule.models.items():
        if digest_of(model) != digest:
            raise RejectedError(f"the capsule is damaged: the model {digest} in it was changed")
    return capsule


def replay(capsule: Capsule, pipeline: Pipeline[State], models: Mapping[str, Detector]) -> Replay:
    """Work the alarm out again from what is sealed, and compare. A capsule that does not fit together is `damaged`."""
    try:
        with np.errstate(all="ignore"):  # what is not finite in a damaged state is an answer, not a warning
            found = _worked_out(capsule, pipeline, models)
    except BROKEN as error:
        return Replay(Match.DAMAGED, capsule.alarm, None, f"{type(error).__name__}: {error}")
    return Replay(_compare(capsule.alarm, found), capsule.alarm, found)


def _why_not_there(record: Removed) -> str:
    if isinstance(record, NotSealed):
        return record.why
    day = datetime.fromtimestamp(record.at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"its capsule was removed on {day} by retention, for {record.why} (settings capsule_days and capsule_mb of "
        "[bus])"
    )


def _record(alarm_id: str, value: bytes) -> Record:
    try:
        return _records.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RejectedError(f"what is stored of the capsule of alarm {alarm_id} cannot be read: {error}") from error


def _worked_out(capsule: Capsule, pipeline: Pipeline[State], models: Mapping[str, Detector]) -> AlarmEvent | None:
    key = AssetKey(capsule.tenant, capsule.asset)
    state = pipeline.new_state()
    if capsule.shared is not None:
        state = pipeline.load(capsule.shared, {key: capsule.state} if capsule.state is not None else {})
    events: list[AlarmEvent] = []
    for envelope in [decode_envelope(data, seq) for seq, data in capsule.inputs]:
        state, outcomes = pipeline.step(state, [envelope], models)  # one by one, that never asks for less
        events += (event for outcome in outcomes if outcome.key == key for event in outcome.alarms)
    wanted = (capsule.alarm.alarm_id, capsule.alarm.event)
    return next((event for event in events if (event.alarm_id, event.event) == wanted), None)


def _compare(recorded: AlarmEvent, found: AlarmEvent | None) -> Match:
    if found is None:
        return Match.MISSING
    if msgspec.msgpack.encode(found) == msgspec.msgpack.encode(recorded):
        return Match.EXACT
    words, numbers = _parts(recorded)
    found_words, found_numbers = _parts(found)
    is_close = words == found_words and all(map(_is_close, numbers, found_numbers))
    return Match.CLOSE if is_close else Match.DIFFERENT


def _parts(event: AlarmEvent) -> tuple[AlarmEvent, list[float]]:
    """Return an event without its numbers, and the numbers."""
    numbers = [event.score, event.threshold]
    for part in event.contributors:
        numbers += [part.share, part.actual, part.expected]
    contributors = tuple(Contributor(part.sensor, 0.0, 0.0, 0.0, part.unit) for part in event.contributors)
    return msgspec.structs.replace(event, score=0.0, threshold=0.0, contributors=contributors), numbers


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE) or (math.isnan(one) and math.isnan(other))
