"""Turn readings whose cells are closed into rows: fuse, find what is stuck, score, and let alarms see them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.component.detector import Detector, Matrix, Scores
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, Notice, Phase, RowQuality, Rows
from iot_edge_anomaly.detection.coldstart import ColdStart
from iot_edge_anomaly.fusion.grid import close_cells, hold_last
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.learning import learn
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset
from iot_edge_anomaly.quality.checks import stuck_seconds

_GOOD = ROW_QUALITIES.index(RowQuality.GOOD)
_MISSING = ROW_QUALITIES.index(RowQuality.MISSING)
_REJECTED = ROW_QUALITIES.index(RowQuality.REJECTED)


class Ready(NamedTuple):
    """Readings of closed cells, in order of arrival."""

    time_ns: NDArray[np.int64]
    sensor: NDArray[np.int64]
    value: NDArray[np.float64]


class Frame(NamedTuple):
    """Fused rows, n by k: as read, as shown and judged, and how long each sensor has been stuck (None: not watched)."""

    time_ns: NDArray[np.int64]
    raw: Matrix
    values: Matrix
    stuck: Matrix | None


def flush(asset: Asset, draft: Draft, models: Mapping[str, Detector]) -> None:
    """Close what can be closed. Does nothing where nothing waits in a closed cell."""
    ready = release(asset, draft)
    if ready is None:
        return
    frame = fuse(asset, ready)
    _notice_vanished(asset, frame, draft)
    scores = _score(asset, frame.values, models)
    alarms = _judge(asset, frame, scores)
    was_calm = asset.book.allows_learning
    draft.alarms += (events := on_rows(asset.book, asset.key, alarms, asset.profile.alarms))
    quality = _row_quality(frame.values)
    draft.rows.append(_rows(asset, frame, scores, quality))
    learn(asset, frame.time_ns, quality != _REJECTED, is_calm=was_calm and asset.book.allows_learning and not events)


def release(asset: Asset, draft: Draft) -> Ready | None:
    """Take the readings of closed cells out of those that wait."""
    waiting = asset.waiting
    if not waiting.count:
        return None
    times, sensor = np.concatenate(waiting.time_ns), np.concatenate(waiting.sensor)
    value, source = np.concatenate(waiting.value), np.concatenate(waiting.source)
    closed = times < asset.closed_ns
    if not closed.any():
        return None
    for number, used in enumerate(np.bincount(source[closed], minlength=len(asset.sources)).tolist()):
        if used:
            count = draft.count(list(asset.sources)[number])
            count.used += used
            count.held -= used
    rest = ~closed
    waiting.time_ns, waiting.sensor = [times[rest]], [sensor[rest]]
    waiting.value, waiting.source = [value[rest]], [source[rest]]
    waiting.count, waiting.known = int(rest.sum()), None
    return Ready(times[closed], sensor[closed], value[closed])


def fuse(asset: Asset, ready: Ready) -> Frame:
    """Bring readings onto the grid; what is stuck counts as missing, short holes hold the last value."""
    time_ns, raw = close_cells(*ready, grid_ns=asset.profile.grid_ns, sensors=len(asset.sensors))
    stuck = None
    trusted = raw
    if (asset.profile.stuck_limit > 0).any():
        stuck, asset.changed_ns = stuck_seconds(
            raw, time_ns, asset.raw_value, asset.changed_ns, asset.profile.stuck_limit
        )
        _, asset.raw_value, _ = hold_last(raw, time_ns, asset.raw_value, asset.last_ns, 0)
        trusted = np.where(stuck > 0, np.nan, raw)
    held, asset.last_value, asset.last_ns = hold_last(
        trusted, time_ns, asset.last_value, asset.last_ns, asset.profile.hold_ns
    )
    return Frame(time_ns, raw, held if stuck is None else np.where(stuck > 0, np.nan, held), stuck)


def _score(asset: Asset, values: Matrix, models: Mapping[str, Detector]) -> Scores:
    """Score with the model of the asset, or with the cold start; sensors that it does not know contribute nothing."""
    detector = _ready_detector(asset, models)
    if detector.sensors == tuple(asset.sensors):
        asset.detector_state, scores = detector.score(asset.detector_state, values)  # type: ignore[arg-type]
        return scores
    index = {sensor: number for number, sensor in enumerate(asset.sensors)}
    known = [(column, index[sensor]) for column, sensor in enumerate(detector.sensors) if sensor in index]
    inputs = np.full((len(values), len(detector.sensors)), np.nan)
    theirs, ours = [column for column, _ in known], [number for _, number in known]
    inputs[:, theirs] = values[:, ours]
    asset.detector_state, scores = detector.score(asset.detector_state, inputs)  # type: ignore[arg-type]
    expected, contribution = np.full(values.shape, np.nan), np.zeros(values.shape)
    expected[:, ours], contribution[:, ours] = scores.expected[:, theirs], scores.contribution[:, theirs]
    return Scores(scores.score, expected, contribution)


def _ready_detector(asset: Asset, models: Mapping[str, Detector]) -> Detector:
    """Return the asset's detector with its state in place: as it was stored, or fresh."""
    if asset.detector is None:
        if asset.model and asset.model not in models:
            raise FatalError(f"{asset.key} is scored by {asset.model}, which was not handed to the step")
        asset.detector = models[asset.model] if asset.model else ColdStart(tuple(asset.sensors))
    if asset.detector_state is None:
        stored = asset.stored_detector_state
        asset.detector_state = asset.detector.restore(stored) if stored else asset.detector.start()
    if asset.phase is Phase.LEARNING:
        asset.phase = Phase.PROVISIONAL
    return asset.detector


def _judge(asset: Asset, frame: Frame, scores: Scores) -> ScoredRows:
    return ScoredRows(
        tuple(asset.sensors),
        frame.time_ns,
        frame.values,
        scores.score,
        scores.expected,
        scores.contribution,
        frame.raw,
        frame.stuck,
        asset.phase is Phase.CALIBRATED,
        asset.model,
    )


def _row_quality(values: Matrix) -> NDArray[np.uint8]:
    present = np.isfinite(values).sum(axis=1)
    quality = np.full(len(values), _MISSING, np.uint8)
    quality[present == values.shape[1]] = _GOOD
    quality[present == 0] = _REJECTED
    return quality


def _rows(asset: Asset, frame: Frame, scores: Scores, quality: NDArray[np.uint8]) -> Rows:
    return Rows(
        tuple(asset.sensors),
        frame.time_ns.astype("<i8").tobytes(),
        frame.values.astype("<f8").tobytes(),
        scores.score.astype("<f8").tobytes(),
        quality.tobytes(),
        scores.expected.astype("<f4").tobytes(),
        scores.contribution.astype("<f4").tobytes(),
        asset.phase,
        asset.model,
    )


def _notice_vanished(asset: Asset, frame: Frame, draft: Draft) -> None:
    """Say once when a sensor is gone while others go on, and once when it is back."""
    gone = ~np.isfinite(frame.values[-1]) & (asset.last_ns > LONG_AGO_NS)
    if not gone.any() and not asset.vanished:
        return
    at_ns = int(frame.time_ns[-1])
    for number, sensor in enumerate(asset.sensors):
        if gone[number] and sensor not in asset.vanished:
            asset.vanished.add(sensor)
            text = f"{sensor} has no reading any more: left out of the score while it is gone"
            draft.notices.append(Notice("sensor-vanished", sensor, text, at_ns))
        elif not gone[number] and sensor in asset.vanished:
            asset.vanished.discard(sensor)
            draft.notices.append(Notice("sensor-returned", sensor, f"{sensor} is back", at_ns))
