"""Take a batch in: has it been seen, is it late, is it to be believed; then let it wait for its grid cell to close."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.messages import UNNUMBERED, Batch, SetAside, SourceIdle
from iot_edge_anomaly.core.outcomes import Notice, Phase
from iot_edge_anomaly.fusion.grid import watermark
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.identity import Verdict
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset, Source
from iot_edge_anomaly.quality.checks import refusals

MOST_SENSORS = 5_000
MOST_SOURCES = 256
MOST_WAITING = 500_000
"""Readings that may wait for their cell; beyond that the oldest cells are closed early."""

AMBIGUOUS = "ambiguous: numbered too far from the others to tell whether it is a repeat"
TOO_MANY_SOURCES = f"the asset has {MOST_SOURCES} sources already"
TOO_MANY_SENSORS = f"the asset has {MOST_SENSORS} sensors already"

NOT_SENT = "a sensor of this name is worked out here, by the settings of the asset: what is sent as it is not taken"


def is_new(asset: Asset, batch: Batch, draft: Draft) -> bool:
    """Count a batch and tell whether its readings are to be taken in."""
    count = draft.count(batch.source)
    count.accepted += batch.accepted
    if batch.source not in asset.sources and len(asset.sources) >= MOST_SOURCES:
        draft.put_aside(batch.source, SetAside(-1, "", TOO_MANY_SOURCES, b"", batch.accepted))
        return False
    source = _source_of(asset, batch.source)
    if batch.sequence != UNNUMBERED:
        identity = source.identity
        before = identity.gaps()
        verdict = identity.judge(batch.epoch, batch.sequence)
        count.gaps += identity.gaps() - before
        if verdict is Verdict.DUPLICATE:
            count.duplicate += batch.accepted
            return False
        if verdict is Verdict.AMBIGUOUS:
            draft.put_aside(batch.source, SetAside(-1, "", AMBIGUOUS, b"", batch.accepted))
            return False
    for record in batch.set_aside:
        draft.put_aside(batch.source, record)
    return bool(batch.value)


def _source_of(asset: Asset, name: str) -> Source:
    if name not in asset.sources:
        asset.sources[name] = Source(number=len(asset.sources))
    return asset.sources[name]


def unknown_sensors(asset: Asset, batch: Batch) -> list[str]:
    """Return the sensors that have no column yet, and for which there is room: of a batch, and those that are made."""
    if batch.sensors in asset.columns or len(asset.sensors) >= MOST_SENSORS:
        return []
    known = set(asset.sensors)
    return [sensor for sensor in dict.fromkeys((*asset.profile.made, *batch.sensors)) if sensor not in known]


def add_sensors(asset: Asset, names: list[str], batch: Batch, draft: Draft) -> None:
    """Give new sensors their columns, and say so unless the asset is just beginning."""
    names = names[: MOST_SENSORS - len(asset.sensors)]
    asset.add_sensors(names)
    if asset.phase is not Phase.LEARNING:
        what = "left out of the score until it has been learned" if asset.model else "provisional scores begin anew"
        draft.notices += [Notice("sensor-added", name, f"{name} is new: {what}", batch.received_ns) for name in names]
    if not asset.model:
        asset.forget_detector()


def take(asset: Asset, batch: Batch, draft: Draft) -> None:
    """Let the readings of a new batch wait for their cells, and move the watermark."""
    columns = _columns(asset, batch)
    sensor, times, values = columns[batch.sensor_indices()], batch.times(), batch.values()
    quality = batch.qualities() if batch.quality else None
    keep = np.ones(len(times), bool)
    if (sensor < 0).any():
        keep &= sensor >= 0
        draft.put_aside(batch.source, SetAside(-1, "", TOO_MANY_SENSORS, b"", int((sensor < 0).sum())))
    made = keep & asset.profile.is_made[np.maximum(sensor, 0)]
    if made.any():
        _put_aside(batch, values, made, NOT_SENT, draft)
        keep &= ~made
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
    heard = columns[columns >= 0]
    heard = heard[~asset.profile.is_made[heard]]
    asset.channels.heard_ns[heard] = np.maximum(asset.channels.heard_ns[heard], batch.received_ns)
    if len(times):
        source = asset.sources[batch.source]
        _wait(asset, source.number, times, sensor, values)
        draft.count(batch.source).held += len(times)
        source.latest_ns = max(source.latest_ns, int(times.max()))
        source.is_idle = False
        close(asset)


def take_in(
    asset: Asset, item: Batch | SourceIdle, draft: Draft, before_new_sensors: Callable[[], None] = lambda: None
) -> None:
    """Let what a message brings wait for its cells, as a step does, for those who work rows out again without one."""
    if isinstance(item, SourceIdle):
        leave_out(asset, item.source)
    elif is_new(asset, item, draft):
        if unknown := unknown_sensors(asset, item):
            before_new_sensors()
            add_sensors(asset, unknown, item, draft)
        take(asset, item, draft)


def close(asset: Asset) -> None:
    """Move the boundary of closed cells to the watermark; it never goes back."""
    active = [source.latest_ns for source in asset.sources.values() if not source.is_idle]
    heard = [latest for latest in active if latest > LONG_AGO_NS]
    grid = asset.profile.grid_ns
    if heard:
        edge = watermark(heard, asset.profile.lateness_ns)
        asset.closed_ns = max(asset.closed_ns, edge // grid * grid)
    else:
        close_all(asset, grid)


def leave_out(asset: Asset, source: str) -> None:
    """Wait no longer for a source: it has gone quiet."""
    if source in asset.sources:
        asset.sources[source].is_idle = True
        close(asset)


def close_all(asset: Asset, grid_ns: int) -> None:
    """Close every cell that anything was ever read for."""
    latest_ns = max((source.latest_ns for source in asset.sources.values()), default=LONG_AGO_NS)
    if latest_ns > LONG_AGO_NS:
        asset.closed_ns = max(asset.closed_ns, latest_ns // grid_ns * grid_ns + grid_ns)


def close_oldest(asset: Asset, draft: Draft) -> None:
    """Close the cells of the older half of what waits, before their time: what waits must stay bounded."""
    times, grid = np.concatenate(asset.waiting.time_ns), asset.profile.grid_ns
    edge = int(np.partition(times, len(times) // 2)[len(times) // 2])
    asset.closed_ns = max(asset.closed_ns, edge // grid * grid + grid)
    text = f"more than {MOST_WAITING} readings wait for others of their time; the older half is used as it is"
    draft.notices.append(Notice("waiting-too-long", "", text, asset.closed_ns))


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
    """Return which readings have the time and sensor of one that waits, from whatever source, or of one before them."""
    waiting = asset.waiting
    if waiting.known is None:
        waiting.known = set()
        for pairs in map(_pairs, waiting.time_ns, waiting.sensor):
            waiting.known.update(pairs)
    repeats, before = np.zeros(len(times), bool), set[tuple[int, int]]()
    for number, pair in enumerate(_pairs(times, sensor)):
        repeats[number] = keep[number] and (pair in waiting.known or pair in before)
        before.add(pair)
    return repeats


def _pairs(times: NDArray[np.int64], sensor: NDArray[np.int64]) -> "zip[tuple[int, int]]":
    return zip(times.tolist(), sensor.tolist(), strict=True)


def _put_aside(batch: Batch, values: NDArray[np.float64], which: NDArray[np.bool_], reason: str, draft: Draft) -> None:
    indices = batch.sensor_indices()
    for number in np.unique(indices[which]).tolist():
        rows = np.flatnonzero(which & (indices == number))
        raw = repr(float(values[rows[0]])).encode()
        draft.put_aside(batch.source, SetAside(int(rows[0]), batch.sensors[number], reason, raw, len(rows)))


def _wait(
    asset: Asset, source: int, times: NDArray[np.int64], sensor: NDArray[np.int64], values: NDArray[np.float64]
) -> None:
    waiting = asset.waiting
    waiting.time_ns.append(times)
    waiting.sensor.append(sensor)
    waiting.value.append(values)
    waiting.source.append(np.full(len(times), source))
    waiting.count += len(times)
    if waiting.known is not None:
        waiting.known.update(_pairs(times, sensor))
