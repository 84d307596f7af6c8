"""From stored input back to the rows a model may be learned from: clean and fuse again, as the pipeline did."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.pipeline.settings import AssetRule
from iot_edge_anomaly.pipeline.step import AnomalyPipeline, fused_rows

NS = 1_000_000_000
WEEK_SECONDS = 7 * 86_400


class Lesson(NamedTuple):
    """Rows to learn from, n by k, in time order; `starts` marks rows with a gap before them."""

    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    rows: Matrix
    starts: NDArray[np.bool_]
    rows_per_week: float


def gather(envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...], request: FitRequest) -> Lesson:
    """Return the rows of an asset that the learning gate let through. Raises ValueError when there are none."""
    sensors, time_ns, values = fused_rows(AnomalyPipeline(), envelopes, key, rules)
    inside = np.zeros(len(time_ns), bool)
    for start, end in request.spans:
        inside |= (time_ns >= start) & (time_ns <= end)
    time_ns, values = time_ns[inside], values[inside]
    if not len(time_ns):
        raise ValueError("none of the rows asked for is in the store any more")
    steps = np.diff(time_ns)
    usual = float(np.median(steps)) if len(steps) else NS
    starts = np.concatenate(([True], steps > 5 * usual))
    return Lesson(sensors, time_ns, values, starts, WEEK_SECONDS * NS / usual)
