"""Is a reading to be believed? Decided for whole columns; every refusal has a reason.

A reading that is refused is set aside, never changed. *Uncertain* is not *bad*: only a code in OPC's bad range (below
64) is refused.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.messages import Quality

NOT_FINITE = "not a finite number"
BAD_AT_SOURCE = "the source itself calls it bad"
OUT_OF_RANGE = "outside the physical range"


class Ranges(NamedTuple):
    """The physical range of each of k sensors; infinite where nothing is known."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def refusals(
    values: NDArray[np.float64],
    quality: NDArray[np.int64] | None,
    sensor: NDArray[np.int64],
    ranges: Ranges,
) -> tuple[NDArray[np.bool_], dict[str, NDArray[np.bool_]]]:
    """Return which of n readings are believed, and for each reason the readings refused for it."""
    finite = np.isfinite(values)
    reasons: dict[str, NDArray[np.bool_]] = {}
    if not finite.all():
        reasons[NOT_FINITE] = ~finite
    if quality is not None and (bad := finite & (quality < Quality.UNCERTAIN)).any():
        reasons[BAD_AT_SOURCE] = bad
    inside = (values >= ranges.low[sensor]) & (values <= ranges.high[sensor])
    believed = finite & inside if quality is None else finite & inside & (quality >= Quality.UNCERTAIN)
    if not believed.all():
        outside = finite & ~inside
        for known in reasons.values():
            outside &= ~known
        if outside.any():
            reasons[OUT_OF_RANGE] = outside
    return believed, reasons


def stuck_seconds(
    values: NDArray[np.float64],
    time_ns: NDArray[np.int64],
    last_value: NDArray[np.float64],
    changed_ns: NDArray[np.int64],
    limit_seconds: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return for n rows of k sensors how long each has read the same, 0 below its limit; and when each last changed.

    `values` NaN: no reading in that row, which says nothing. A limit of 0 is not watched.
    """
    result = np.zeros_like(values)
    changed_after = changed_ns.copy()
    for number in range(values.shape[1]):
        fresh = np.flatnonzero(np.isfinite(values[:, number]))
        if not len(fresh):
            continue
        column = values[fresh, number]
        before = np.concatenate(([last_value[number]], column[:-1]))
        changes = np.where(column != before, time_ns[fresh], changed_ns[number])
        since = np.maximum.accumulate(changes)
        changed_after[number] = since[-1]
        if limit_seconds[number] > 0:
            seconds = (time_ns[fresh] - since) / 1e9
            result[fresh, number] = np.where(seconds >= limit_seconds[number], seconds, 0.0)
    return result, changed_after
