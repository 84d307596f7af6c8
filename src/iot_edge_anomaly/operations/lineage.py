"""Where an alarm comes from: the readings that it rests on, what was done to them, the model, the settings. Pure.

All of it is worked out from the alarm's capsule, so it holds when the readings themselves are long gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from iot_edge_anomaly.bus.blobs import digest_of
from iot_edge_anomaly.bus.capsule import BROKEN, Capsule
from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import UNNUMBERED, Batch, Envelope, Quality, SourceIdle
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AssetOutcome, Notice, Rows
from iot_edge_anomaly.pipeline.kept import Kept, kept_readings
from iot_edge_anomaly.pipeline.settings import DEFAULTS, AssetSettings
from iot_edge_anomaly.pipeline.shifts import SHIFT
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import Manifest, read_manifest


class SourceRange(msgspec.Struct, frozen=True):
    """What of one source the alarm was worked out from, since the checkpoint before it.

    `sequences`: the first and the last; None: the source numbers nothing. Times of readings, ns UTC.
    """

    source: str
    epochs: tuple[int, ...]
    sequences: tuple[int, int] | None
    batches: int
    values: int
    first_ns: int
    last_ns: int
    set_aside: dict[str, int] = {}


class Reading(msgspec.Struct, frozen=True):
    """A reading as it was sent. `sequence` -1: not numbered."""

    source: str
    epoch: int
    sequence: int
    time_ns: int
    value: float
    quality: int


class Cell(msgspec.Struct, frozen=True):
    """One value of the row that raised the alarm, and what became of it on the way.

    `how`: `read` (as it was sent), `changed` (sent otherwise), `held` (the last value, of `since_ns`), `made` (of what
    `note` says) or `missing`. `share`: of the score; `expected` None: nothing was.
    """

    sensor: str
    value: float | None
    how: str
    reading: Reading | None = None
    since_ns: int = 0
    note: str = ""
    share: float = 0.0
    expected: float | None = None


class ModelFacts(msgspec.Struct, frozen=True):
    """The model that scored, and what it was learned from."""

    digest: str
    detector: str
    rows: int
    first_ns: int
    last_ns: int
    false_alarms_per_week: float
    remarks: str


class Lineage(msgspec.Struct, frozen=True):
    """All that one alarm rests on. `row_ns` 0: no row raised it, but the silence of a sensor.

    `first_seq` and `last_seq`: the READINGS messages since the checkpoint `state` (empty: from the beginning on).
    `settings`: those of the asset that are not the defaults, of the configuration `version`. `told`: what people were
    told of the asset meanwhile.
    """

    alarm: AlarmEvent
    asset: str
    partition: int
    first_seq: int
    last_seq: int
    messages: int
    state: str
    sources: tuple[SourceRange, ...]
    row_ns: int
    score: float
    cells: tuple[Cell, ...]
    told: tuple[Notice, ...]
    model: ModelFacts | None
    version: str
    settings: dict[str, object]


class _Run(NamedTuple):
    """What was known before, what the steps concluded of the asset up to the alarm, and the asset after.

    `held_since`: when each sensor was read last. `kept`: the readings of it that were taken in.
    """

    held_since: Mapping[str, int]
    kept: Sequence[tuple[str, Reading]]
    outcomes: Sequence[AssetOutcome]
    after: Asset | None


def lineage_of(capsule: Capsule, models: Mapping[str, Detector]) -> Lineage:
    """Work out where an alarm comes from. Raises RejectedError where the capsule does not fit together."""
    try:
        with np.errstate(all="ignore"):
            return _lineage(capsule, models)
    except RejectedError:
        raise
    except BROKEN as error:
        raise RejectedError(f"the capsule of alarm {capsule.alarm.alarm_id} is damaged: {error}") from error


def _lineage(capsule: Capsule, models: Mapping[str, Detector]) -> Lineage:
    key, alarm = AssetKey(capsule.tenant, capsule.asset), capsule.alarm
    if alarm.model and alarm.model not in capsule.models:
        raise RejectedError(f"the model {alarm.model} of alarm {alarm.alarm_id} was not sealed with it")
    envelopes = [decode_envelope(data, seq) for seq, data in capsule.inputs]
    batches = [item for one in envelopes for item in one.items if isinstance(item, Batch) and item.key == key]
    run = _worked_out(capsule, key, envelopes, models)
    rows, row = _row_of(run.outcomes, alarm)
    settings = run.after.profile.settings if run.after else DEFAULTS
    return Lineage(
        alarm,
        str(key),
        capsule.partition,
        envelopes[0].seq if envelopes else 0,
        envelopes[-1].seq if envelopes else 0,
        len(envelopes),
        "" if capsule.state is None else digest_of(capsule.state),
        tuple(_sources(batches)),
        int(rows.times()[row]) if rows else 0,
        float(rows.scores()[row]) if rows else 0.0,
        tuple(_cells(rows, row, run, settings)) if rows else (),
        tuple(notice for outcome in run.outcomes for notice in outcome.notices),
        _facts(alarm.model, read_manifest(capsule.models[alarm.model])) if alarm.model else None,
        run.after.profile.version if run.after else alarm.configuration,
        _not_default(settings),
    )


def _worked_out(capsule: Capsule, key: AssetKey, envelopes: Sequence[Envelope], models: Mapping[str, Detector]) -> _Run:
    """Step through the capsule up to the alarm."""
    pipeline = AnomalyPipeline()
    state = pipeline.new_state()
    if capsule.shared is not None:
        state = pipeline.load(capsule.shared, {key: capsule.state} if capsule.state is not None else {})
    before = state.assets.get(key)
    held = dict(zip(before.sensors, before.channels.last_ns.tolist(), strict=True)) if before else {}
    outcomes: list[AssetOutcome] = []
    wanted, is_out = (capsule.alarm.alarm_id, capsule.alarm.event), False
    for envelope in envelopes:
        state, said = pipeline.step(state, [envelope], models)
        outcomes += (outcome for outcome in said if outcome.key == key)
        if any((event.alarm_id, event.event) == wanted for outcome in said for event in outcome.alarms):
            is_out = True
            break
    if not is_out:
        raise RejectedError(
            f"alarm {capsule.alarm.alarm_id} does not come out again from what was sealed of it, so nothing can be "
            "told of where it comes from; see replay-alarm"
        )
    after = state.assets.get(key)
    kept = list(_kept(capsule, key, envelopes, after)) if after else []
    return _Run(held, kept, outcomes, after)


def _kept(
    capsule: Capsule, key: AssetKey, envelopes: Sequence[Envelope], after: Asset
) -> Iterator[tuple[str, Reading]]:
    """Yield the readings that were taken in, with their sensors; those from before the checkpoint have no number."""
    pipeline = AnomalyPipeline()
    asset = Asset(key, after.profile.for_sensors(()))
    if capsule.shared is not None and capsule.state is not None:
        asset = pipeline.load(capsule.shared, {key: capsule.state}).assets[key]
    items = (item for envelope in envelopes for item in envelope.items)
    own = (item for item in items if isinstance(item, Batch | SourceIdle) and (item.tenant, item.asset) == _pair(key))
    for kept in kept_readings(asset, own):
        batch = kept.batch
        epoch, number = (0, UNNUMBERED) if batch is None else (batch.epoch, batch.sequence)
        quality = int(Quality.GOOD) if batch is None else _quality(batch, kept)
        yield kept.sensor, Reading(kept.source, epoch, number, kept.time_ns, kept.value, quality)


def _pair(key: AssetKey) -> tuple[str, str]:
    return key.tenant, key.asset


def _quality(batch: Batch, kept: Kept) -> int:
    sensor = batch.sensors.index(kept.sensor)
    same = (batch.sensor_indices() == sensor) & (batch.times() == kept.time_ns) & (batch.values() == kept.value)
    return int(batch.qualities()[int(np.flatnonzero(same)[0])])


def _row_of(outcomes: Sequence[AssetOutcome], alarm: AlarmEvent) -> tuple[Rows | None, int]:
    """Return the rows that hold the one at which the alarm was raised, and its number among them."""
    for rows in (outcome.rows for outcome in reversed(outcomes) if outcome.rows is not None):
        found = np.flatnonzero(rows.times() == alarm.time_ns)
        if len(found):
            return rows, int(found[-1])
    return None, 0


def _sources(batches: Sequence[Batch]) -> Iterator[SourceRange]:
    for source in sorted({batch.source for batch in batches}):
        own = [batch for batch in batches if batch.source == source]
        times = np.concatenate([batch.times() for batch in own])
        numbers = [batch.sequence for batch in own if batch.sequence != UNNUMBERED]
        aside: dict[str, int] = {}
        for record in (record for batch in own for record in batch.set_aside):
            aside[record.reason] = aside.get(record.reason, 0) + record.count
        yield SourceRange(
            source,
            tuple(sorted({batch.epoch for batch in own})),
            (min(numbers), max(numbers)) if numbers else None,
            len(own),
            sum(batch.accepted for batch in own),
            int(times.min()) if len(times) else 0,
            int(times.max()) if len(times) else 0,
            aside,
        )


def _cells(rows: Rows, row: int, run: _Run, settings: AssetSettings) -> Iterator[Cell]:
    """Yield each value of a row with its origin, those first that have the largest share of the score."""
    at_ns, grid_ns = int(rows.times()[row]), rows.grid_ns or 1
    values, expected = rows.values()[row].tolist(), rows.expectations()[row].tolist()
    share = rows.contributions()[row].astype(np.float64)
    share /= float(share.sum()) or 1.0
    read = _latest(run.kept, at_ns, at_ns + grid_ns)
    earlier = _latest(run.kept, LONG_AGO_NS, at_ns)
    for number in np.argsort(-share, kind="stable").tolist():
        sensor, value = rows.sensors[number], values[number]
        told = earlier[sensor].time_ns if sensor in earlier else run.held_since.get(sensor, LONG_AGO_NS)
        how, reading, since_ns, note = _how(sensor, value, read.get(sensor), told, settings)
        yield Cell(
            sensor,
            value if np.isfinite(value) else None,
            how,
            reading,
            since_ns,
            note,
            round(float(share[number]), 6),
            expected[number] if np.isfinite(expected[number]) else None,
        )


def _how(
    sensor: str, value: float, reading: Reading | None, since_ns: int, settings: AssetSettings
) -> tuple[str, Reading | None, int, str]:
    made = (settings.fused or {}).get(sensor)
    if made is not None:
        return "made", None, 0, f"{made.choice} of {', '.join(made.of)} that agree to {made.tolerance:g}"
    if sensor == SHIFT and settings.shifts:
        return "made", None, 0, f"shift by the clocks of {settings.time_zone}: {'; '.join(settings.shifts)}"
    if not np.isfinite(value):
        return "missing", reading, 0, "set aside, stuck or not sent" if reading else "not sent"
    if reading is None:
        return "held", None, since_ns, ""
    return ("read" if reading.value == value else "changed"), reading, 0, ""


def _latest(kept: Sequence[tuple[str, Reading]], begin_ns: int, end_ns: int) -> dict[str, Reading]:
    """Return of each sensor the latest reading of a time, of equal times the one that arrived last."""
    found: dict[str, Reading] = {}
    for sensor, reading in kept:
        if begin_ns <= reading.time_ns < end_ns and (sensor not in found or reading.time_ns >= found[sensor].time_ns):
            found[sensor] = reading
    return found


def _facts(digest: str, manifest: Manifest) -> ModelFacts:
    facts = manifest.facts
    return ModelFacts(
        digest,
        manifest.detector,
        facts.rows,
        facts.first_ns,
        facts.last_ns,
        facts.false_alarms_per_week,
        facts.remarks,
    )


def _not_default(settings: AssetSettings) -> dict[str, object]:
    own, usual = msgspec.to_builtins(settings), msgspec.to_builtins(DEFAULTS)
    return {name: value for name, value in own.items() if value != usual.get(name)}
