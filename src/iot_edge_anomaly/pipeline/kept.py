"""Which readings the pipeline keeps of what comes in: not those that are refused, late, repeats or not wanted."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from iot_edge_anomaly.core.messages import Batch, SourceIdle
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.state import Asset
from iot_edge_anomaly.pipeline.taking import take_in


class Kept(NamedTuple):
    """A reading that was kept, of which batch; None: of one that came before."""

    batch: Batch | None
    source: str
    sensor: str
    time_ns: int
    value: float


def kept_readings(asset: Asset, items: Iterable[Batch | SourceIdle]) -> Iterator[Kept]:
    """Yield what waits for its cell, then what is kept of each batch, in order of arrival. The asset is consumed."""
    yield from _waiting(asset, 0, None)
    for item in items:
        before = len(asset.waiting.time_ns)
        take_in(asset, item, Draft())
        if isinstance(item, Batch):
            yield from _waiting(asset, before, item)


def _waiting(asset: Asset, first: int, batch: Batch | None) -> Iterator[Kept]:
    waiting, names = asset.waiting, list(asset.sources)
    columns = (waiting.source[first:], waiting.sensor[first:], waiting.time_ns[first:], waiting.value[first:])
    for part in zip(*columns, strict=True):
        for source, sensor, at_ns, value in zip(*(column.tolist() for column in part), strict=True):
            yield Kept(batch, names[source], asset.sensors[sensor], at_ns, value)
