"""Clean and fuse alone: the rows of one asset as the pipeline saw them before it scored, from stored messages."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.messages import Batch, Envelope, SourceIdle
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.closing import Frame, fuse, release
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.pipeline.state import Asset
from iot_edge_anomaly.pipeline.taking import MOST_WAITING, close_oldest, take_in

AT_ONCE = 1_000
"""So many batches are fused at once: whole columns are cheap, all of a month are too much."""


def fused_rows(
    envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64], Matrix]:
    """Return sensors, times (n,) and fused values (n, k) of one asset."""
    asset, frames = Asset(key, profile_of(key, rules, "")), list[Frame]()
    for envelope in envelopes:
        for item in envelope.items:
            if isinstance(item, Batch | SourceIdle) and (item.tenant, item.asset) == (key.tenant, key.asset):
                _follow(asset, item, frames)
    _fuse(asset, frames)
    count = len(asset.sensors)
    if not frames:
        return tuple(asset.sensors), np.empty(0, np.int64), np.empty((0, count))
    values = [_widened(frame.values, count) for frame in frames]
    return tuple(asset.sensors), np.concatenate([frame.time_ns for frame in frames]), np.concatenate(values)


def _follow(asset: Asset, item: Batch | SourceIdle, frames: list[Frame]) -> None:
    draft = Draft()
    take_in(asset, item, draft, before_new_sensors=lambda: _fuse(asset, frames))
    if asset.waiting.count > MOST_WAITING or len(asset.waiting.time_ns) > AT_ONCE:
        _fuse(asset, frames)
    if asset.waiting.count > MOST_WAITING:
        close_oldest(asset, draft)


def _fuse(asset: Asset, frames: list[Frame]) -> None:
    ready = release(asset, Draft())
    if ready is not None:
        frames.append(fuse(asset, ready))


def _widened(values: Matrix, columns: int) -> Matrix:
    """Add empty columns for sensors that came later."""
    return np.pad(values, ((0, 0), (0, columns - values.shape[1])), constant_values=np.nan)
