"""Watch an asset for drift: which of its rows count, and what is said of it, in words and in the sensors' own units."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.component.detector import Matrix, Scores
from iot_edge_anomaly.core.outcomes import DRIFT, DRIFT_OVER, Notice, Phase
from iot_edge_anomaly.detection.drift import DATA, SCORE, Drift, Evidence, Watch, follow
from iot_edge_anomaly.detection.usual import ERROR, LEVEL
from iot_edge_anomaly.detection.watched import WatchedDetector
from iot_edge_anomaly.pipeline.state import Asset

NS = 1_000_000_000
MOST_NAMED = 3
"""So many sensors are named with their figures; of more it is said how many they are."""

KINDS = {DATA: "data", SCORE: "score"}
_OVER = {
    DATA: "the sensors run again as they did while learning",
    SCORE: "the model errs no more than it did while learning",
}
_OTHER_MODEL = "another model is in use: what it learned from is usual now"


def watch(
    asset: Asset, time_ns: NDArray[np.int64], values: Matrix, scores: Scores, is_fit: NDArray[np.bool_]
) -> list[Notice]:
    """Follow n rows of k sensors, those that are fit for it; return what begins and what is over, in order of time.

    Rows in maintenance do not count, nor any while the asset is learned anew. Where the score says alarm, errors do not
    count: drift is what no alarm tells.
    """
    detector = asset.detector
    if not isinstance(detector, WatchedDetector) or asset.phase is not Phase.CALIBRATED:
        return []
    found = _restored(asset, len(detector.sensors))
    if asset.book.is_in_maintenance or not is_fit.any():
        return []
    columns = _columns(asset, detector.sensors)
    with np.errstate(over="ignore"):
        errors = np.abs(values - scores.expected)
    errors[scores.score > asset.book.verdicts.level] = np.nan
    if columns is not None:
        values, errors = values[:, columns], errors[:, columns]
    if not is_fit.all():
        time_ns, values, errors = time_ns[is_fit], values[is_fit], errors[is_fit]
    asset.drift, drifts = follow(detector.yardstick, found, time_ns, values, errors)
    return [_notice(drift, detector.sensors, asset.profile.alarms) for drift in drifts]


def end(asset: Asset, at_ns: int) -> list[Notice]:
    """Say that drifts are over because what was usual does not hold any more. Call it before the model is changed."""
    known = asset.drift or Watch.from_bytes(asset.stored_drift)
    stands = (False, False) if known is None else known.stands
    return [Notice(DRIFT_OVER, "", _OTHER_MODEL, at_ns, note=KINDS[what]) for what in KINDS if stands[what]]


def _restored(asset: Asset, sensors: int) -> Watch:
    """Return the watch: as it was stored, or a fresh one where there is none or another version wrote it."""
    if asset.drift is None:
        known = Watch.from_bytes(asset.stored_drift)
        asset.drift = known if known is not None and known.sensors == sensors else Watch.begin(sensors)
    return asset.drift


def _columns(asset: Asset, sensors: tuple[str, ...]) -> list[int] | None:
    """Return where the model's sensors stand among the asset's; None: in the same order."""
    if sensors == tuple(asset.sensors):
        return None
    index = {sensor: number for number, sensor in enumerate(asset.sensors)}
    return [index[sensor] for sensor in sensors]


def _notice(drift: Drift, sensors: Sequence[str], settings: AlarmSettings) -> Notice:
    note = KINDS[drift.what]
    if not drift.evidence:
        return Notice(DRIFT_OVER, "", _OVER[drift.what], drift.time_ns, note=note)
    text = reason(drift, sensors, settings)
    return Notice(DRIFT, sensors[drift.evidence[0].sensor], text, drift.time_ns, note=note)


def reason(drift: Drift, sensors: Sequence[str], settings: AlarmSettings) -> str:
    """Say which sensors are where, where they were while learning, and for how long."""
    parts = [_part(one, sensors[one.sensor], settings) for one in drift.evidence[:MOST_NAMED]]
    if (more := len(drift.evidence) - MOST_NAMED) > 0:
        parts.append(f"{more} more sensor{'' if more == 1 else 's'} likewise")
    since_ns = min(one.since_ns for one in drift.evidence)
    return f"{'; '.join(parts)}; for {_duration((drift.time_ns - since_ns) / NS)}"


def _part(one: Evidence, sensor: str, settings: AlarmSettings) -> str:
    text = settings.text_of(sensor)
    unit = f" {text.unit}" if text.unit else ""
    least = min(abs(one.value - one.low), abs(one.value - one.high), one.high - one.low)
    at_least = "at least " if one.is_beyond and one.value > one.high else "at most " if one.is_beyond else ""
    value, low, high = (_figure(number, least) for number in (one.value, one.low, one.high))
    if one.channel == LEVEL:
        return f"{text.title} runs at {at_least}{value}{unit} on average; it was learned between {low} and {high}"
    if one.channel == ERROR:
        often = f"{one.value / one.mean:.1f} times the usual" if one.mean > 0.0 else "more than usual"
        now = f"{text.title} is {often} from what the model expects: {value}{unit} on average"
        return f"{now}, while learning {low} to {high}"
    now = f"{text.title} varies by {at_least}{value}{unit} (standard deviation)"
    return f"{now}; it was learned mostly between {low} and {high}"


def _figure(value: float, step: float) -> str:
    """Write a number with as many places as tell apart what lies a step from it.

    >>> _figure(141.234, 15.2), _figure(98.4, 0.04), _figure(0.00123, 0.0004), _figure(15_000.0, 900.0)
    ('141.2', '98.400', '0.00123', '15,000')
    """
    if not 1e-9 < step < 1e12 or abs(value) >= 1e12:
        return f"{value:.6g}"
    places = max(1 - math.floor(math.log10(step)), 1) if step < 100 else 0
    return f"{value:,.{places}f}"


def _duration(seconds: float) -> str:
    """Write how long something has lasted.

    >>> _duration(40), _duration(2400), _duration(9000), _duration(300_000)
    ('40 s', '40 min', '2.5 h', '3.5 days')
    """
    for size, unit in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.{0 if unit == 'min' else 1}f} {unit}"
    return f"{seconds:.0f} s"
