"""Take a batch in: has it been seen, is it late, is it to be believed; then let it wait for its grid cell to close."""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.messages import UNNUMBERED, Batch, SetAside
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.fusion.grid import watermark
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.identity import Verdict
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset, Source
from iot_edge_anomaly.quality.checks import refusals

MOST_SENSORS = 5_000
MOST_WAITING = 500_000
"""Readings that may wait for their cell; beyond that the oldest cells are closed early."""

AMBIGUOUS = "ambiguous: numbered too far from the others to tell whether it is a repeat"
TOO_MANY_SENSORS = f"the asset has {MOST_SENSORS} sensors already"


def is_new(asset: Asset, batch: Batch, draft: Draft) -> bool:
    """Count a batch and tell whether its readings are to be taken in."""
    source = source_of(asset, batch.source)
    count = draft.count(batch.source)
    count.accepted += batch.accepted
    if batch.sequence != UNNUMBERED:
        before = source.identity.gaps()
        verdict = source.identity.judge(batch.epoch, batch.sequence)
        count.gaps += source.identity.gaps() - before
        if verdict is Verdict.DUPLICATE:
            count.duplicate += batch.accepted
            return False
        if verdict is Verdict.AMBIGUOUS:
            draft.put_aside(batch.source, SetAside(-1, "", AMBIGUOUS, b"", batch.accepted))
            return False
    for record in batch.set_aside:
        draft.put_aside(batch.source, record)
    return bool(batch.value)


def source_of(asset: Asset, name: str) -> Source:
    """Return a source of an asset, made at first sight."""
    if name not in asset.sources:
        asset.sources[name] = Source(number=len(asset.sources))
    return asset.sources[name]


def unknown_sensors(asset: Asset, batch: Batch) -> list[str]:
    """Return the sensors of a batch that have no column yet."""
    if batch.sensors in asset.columns:
        return []
    known = set(asset.sensors)
    return [sensor for sensor in batch.sensors if sensor not in known]


def add_sensors(asset: Asset, names: list[str], batch: Batch, draft: Draft) -> None:
    """Give new sensors their columns, and say so unless the asset is just beginning."""
    is_beginning = not asset.sensors
    for name in names[: MOST_SENSORS - len(asset.sensors)]:
        asset.add_sensor(name)
        if not is_beginning:
            text = f"{name} is new: shown, and left out of the score until it has been learned"
            draft.notices.append(Notice("sensor-added", name, text, batch.received_ns))
    if not asset.model:  # the cold start begins anew with the sensors there are now
        asset.detector, asset.detector_state, asset.stored_detector_state = None, None, b""


def take(asset: Asset, batch: Batch, draft: Draft) -> None:
    """Let the readings of a new batch wait for their cells, and move the watermark."""
    columns = _columns(asset, batch)
    sensor, times, values = columns[batch.sensor_indices()], batch.times(), batch.values()
    quality = batch.qualities() if batch.quality else None
    keep = np.ones(len(times), bool)
    if (sensor < 0).any():
        keep &= sensor >= 0
        draft.put_aside(batch.source, SetAside(-1, "", TOO_MANY_SENSORS, b"", int((sensor < 0).sum())))
    late = keep & (times < asset.closed_ns)
    if late.any():
        draft.count(batch.source).late += int(late.sum())
        keep &= ~late
    if batch.sequence == UNNUMBERED:
        repeats = _repeats(asset, times, sensor, keep)
        draft.count(batch.source).duplicate += int(repeats.sum())
        keep &= ~repeats
    believed, reasons = refusals(values, quality, np.maximum(sensor, 0), asset.profile.ranges)
    for reason, which in reasons.items():
        _put_aside(batch, values, keep & which, reason, draft)
    keep &= believed
    if not keep.all():
        times, sensor, values = times[keep], sensor[keep], values[keep]
    asset.heard_ns[columns[columns >= 0]] = batch.received_ns
    if len(times):
        _wait(asset, batch.source, times, sensor, values)
        draft.count(batch.source).held += len(times)
        source = source_of(asset, batch.source)
        source.latest_ns = max(source.latest_ns, int(times.max()))
        source.is_idle = False
        close(asset)


def close(asset: Asset) -> None:
    """Move the boundary of closed cells to the watermark; it never goes back."""
    active = [source.latest_ns for source in asset.sources.values() if not source.is_idle]
    heard = [latest for latest in active if latest > LONG_AGO_NS]
    grid = asset.profile.grid_ns
    if heard:
        edge = watermark(heard, asset.profile.lateness_ns)
    else:
        edge = max((source.latest_ns for source in asset.sources.values()), default=LONG_AGO_NS) + grid
    if asset.waiting.count > MOST_WAITING:
        edge = max(edge, max(heard, default=edge))
    asset.closed_ns = max(asset.closed_ns, edge // grid * grid)


def _columns(asset: Asset, batch: Batch) -> NDArray[np.int64]:
    """Return the column of each sensor the batch names; -1 where it has none."""
    columns = asset.columns.get(batch.sensors)
    if columns is None:
        index = {sensor: number for number, sensor in enumerate(asset.sensors)}
        columns = np.array([index.get(sensor, -1) for sensor in batch.sensors], np.int64)
        if len(asset.columns) >= 16:
            asset.columns.clear()
        asset.columns[batch.sensors] = columns
    return columns


def _repeats(
    asset: Asset, times: NDArray[np.int64], sensor: NDArray[np.int64], keep: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    waiting = asset.waiting
    if waiting.known is None:
        waiting.known = {
            pair
            for time, column in zip(waiting.time_ns, waiting.sensor, strict=True)
            for pair in zip(time.tolist(), column.tolist(), strict=True)
        }
    repeats = np.zeros(len(times), bool)
    for number, pair in enumerate(zip(times.tolist(), sensor.tolist(), strict=True)):
        if keep[number]:
            repeats[number] = pair in waiting.known
            waiting.known.add(pair)
    return repeats


def _put_aside(batch: Batch, values: NDArray[np.float64], which: NDArray[np.bool_], reason: str, draft: Draft) -> None:
    indices = batch.sensor_indices()
    for number in np.unique(indices[which]).tolist():
        rows = np.flatnonzero(which & (indices == number))
        raw = repr(float(values[rows[0]])).encode()
        draft.put_aside(batch.source, SetAside(int(rows[0]), batch.sensors[number], reason, raw, len(rows)))


def _wait(
    asset: Asset, source: str, times: NDArray[np.int64], sensor: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    waiting = asset.waiting
    waiting.time_ns.append(times)
    waiting.sensor.append(sensor)
    waiting.value.append(values)
    waiting.source.append(np.full(len(times), asset.sources[source].number))
    waiting.count += len(times)
