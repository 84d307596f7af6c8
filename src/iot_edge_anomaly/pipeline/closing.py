"""Turn readings whose cells are closed into rows: fuse, find what is stuck, score, and let alarms see them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.rows import SCORE, ScoredRows, on_rows
from iot_edge_anomaly.component.detector import Detector, DetectorState, Matrix, Scores, score_rows
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, Notice, Phase, RowQuality, Rows
from iot_edge_anomaly.detection.coldstart import ColdStart
from iot_edge_anomaly.detection.inside import season_length
from iot_edge_anomaly.fusion.grid import close_cells, hold_last
from iot_edge_anomaly.pipeline import drifting, judging, learning
from iot_edge_anomaly.pipeline.agreeing import fuse_redundant
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.origins import origin_by
from iot_edge_anomaly.pipeline.shifts import SHIFT
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset
from iot_edge_anomaly.quality.checks import stuck_seconds

_GOOD = ROW_QUALITIES.index(RowQuality.GOOD)
_MISSING = ROW_QUALITIES.index(RowQuality.MISSING)
_REJECTED = ROW_QUALITIES.index(RowQuality.REJECTED)
_NOT_JUDGED = ROW_QUALITIES.index(RowQuality.NOT_JUDGED)
_LARGEST = float(np.finfo(np.float32).max)

MOST_CELLS = 2_000_000
"""So many cells, rows by sensors, are worked out at once: on the way each takes some 100 bytes."""

_PRESENCE = {
    "sensor-vanished": "has no reading any more: left out of the score while it is gone",
    "sensor-returned": "is back",
}


class Ready(NamedTuple):
    """Readings of closed cells, in order of arrival."""

    time_ns: NDArray[np.int64]
    sensor: NDArray[np.int64]
    value: NDArray[np.float64]


class Frame(NamedTuple):
    """Fused rows, n by k: as read, as shown and judged, and how long each sensor has been stuck (None: not watched).

    `notices`: who of several sensors of one quantity is not believed.
    """

    time_ns: NDArray[np.int64]
    raw: Matrix
    values: Matrix
    stuck: Matrix | None
    notices: Sequence[Notice] = ()


def flush(asset: Asset, draft: Draft, models: Mapping[str, Detector], seq: int) -> None:
    """Close what can be closed. Does nothing where nothing waits in a closed cell. `seq`: of the message under work."""
    ready = release(asset, draft)
    if ready is not None:
        for portion in _portions(asset, ready):
            _work_out(asset, fuse(asset, portion), draft, models, seq)


def _work_out(asset: Asset, frame: Frame, draft: Draft, models: Mapping[str, Detector], seq: int) -> None:
    """Score rows, keep them, let alarms see them, and learn from them."""
    said = len(draft.notices)
    is_awaited = _notice_vanished(asset, frame, draft)
    if asset.model and asset.detector is None and asset.model not in models:
        _give_up_model(asset, draft, int(frame.time_ns[0]), seq)
    detector, rule = _ready_detector(asset, models, draft), asset.profile.states
    seen, notices = judging.see(asset, frame.time_ns, frame.values)
    notices += [*frame.notices, *judging.unknown_states(detector, asset, frame.time_ns, seen)]
    shown = judging.shown_to(detector, rule, asset.sensors, frame.values, seen)
    scores = _score(asset, detector, shown, frame.time_ns)
    quality, is_known = _row_quality(frame.values, is_awaited), judging.are_known(detector, rule, seen)
    is_there = quality != _REJECTED
    if rule is not None:
        quality[is_there & ~is_known] = _NOT_JUDGED
    if draft.has_room(len(quality), tuple(asset.sensors)):
        draft.rows.append(_rows(asset, frame, scores, quality))
    may_learn = _raise_alarms(asset, _judge(asset, frame, scores), draft) & is_there & seen.is_judged
    if notices := notices + drifting.watch(asset, frame.time_ns, frame.values, scores, is_there & is_known):
        draft.notices[said:] = sorted(draft.notices[said:] + notices, key=lambda notice: notice.time_ns)
    if asset.learning.since_seq:
        draft.fit_request = learning.learn(asset, frame.time_ns, may_learn, seen.state, seq) or draft.fit_request


def release(asset: Asset, draft: Draft) -> Ready | None:
    """Take the readings of closed cells out of those that wait."""
    waiting = asset.waiting
    if not waiting.count:
        return None
    times, sensor = np.concatenate(waiting.time_ns), np.concatenate(waiting.sensor)
    value, source = np.concatenate(waiting.value), np.concatenate(waiting.source)
    waiting.time_ns, waiting.sensor, waiting.value, waiting.source = [times], [sensor], [value], [source]
    closed = times < asset.closed_ns
    if not closed.any():
        return None
    for name, used in zip(asset.sources, np.bincount(source[closed], minlength=len(asset.sources)), strict=True):
        if used:
            count = draft.count(name)
            count.used += int(used)
            count.held -= int(used)
    rest = ~closed
    waiting.time_ns, waiting.sensor = [times[rest]], [sensor[rest]]
    waiting.value, waiting.source = [value[rest]], [source[rest]]
    waiting.count = len(waiting.time_ns[0])
    if waiting.known is not None:
        waiting.known.difference_update(zip(times[closed].tolist(), sensor[closed].tolist(), strict=True))
    return Ready(times[closed], sensor[closed], value[closed])


def _portions(asset: Asset, ready: Ready) -> Iterator[Ready]:
    """Cut readings into rows that can be worked out at once, in order of time; a row stays whole."""
    most_rows = max(MOST_CELLS // len(asset.sensors), 1)
    if len(ready.time_ns) <= most_rows:
        yield ready
        return
    cells, row = np.unique(ready.time_ns // asset.profile.grid_ns, return_inverse=True)
    order = np.argsort(row, kind="stable")
    edges = np.searchsorted(row[order], np.arange(0, len(cells) + most_rows, most_rows)).tolist()
    for start, stop in pairwise(edges):
        chosen = order[start:stop]
        yield Ready(ready.time_ns[chosen], ready.sensor[chosen], ready.value[chosen])


def fuse(asset: Asset, ready: Ready) -> Frame:
    """Bring readings onto the grid; what is stuck counts as missing, short holes hold the last value."""
    profile, channels = asset.profile, asset.channels
    time_ns, raw = close_cells(*ready, grid_ns=profile.grid_ns, sensors=len(asset.sensors))
    if profile.states and profile.states.shifts and SHIFT in asset.sensors:
        raw[:, asset.sensors.index(SHIFT)] = profile.states.shifts.at(time_ns)
    stuck = None
    trusted = raw
    if profile.watches_stuck:
        stuck, channels.changed_ns = stuck_seconds(
            raw, time_ns, channels.raw_value, channels.changed_ns, profile.stuck_limit
        )
        _, channels.raw_value, _ = hold_last(raw, time_ns, channels.raw_value, channels.last_ns, 0)
        trusted = np.where(stuck > 0, np.nan, raw)
    held, channels.last_value, channels.last_ns = hold_last(
        trusted, time_ns, channels.last_value, channels.last_ns, profile.holds_ns
    )
    values = held if stuck is None else np.where(stuck > 0, np.nan, held)
    notices = fuse_redundant(asset.fused, profile.fusions, time_ns, raw, values)
    return Frame(time_ns, raw, values, stuck, notices)


def _score(asset: Asset, detector: Detector, values: Matrix, time_ns: NDArray[np.int64]) -> Scores:
    """Score with the model of the asset, or with the cold start; sensors that it does not know contribute nothing."""
    assert asset.detector_state is not None
    if detector.sensors == tuple(asset.sensors):
        asset.detector_state, scores = score_rows(detector, asset.detector_state, values, time_ns)
        return scores
    index = {sensor: number for number, sensor in enumerate(asset.sensors)}
    known = [(column, index[sensor]) for column, sensor in enumerate(detector.sensors) if sensor in index]
    inputs = np.full((len(values), len(detector.sensors)), np.nan)
    theirs, ours = [column for column, _ in known], [number for _, number in known]
    inputs[:, theirs] = values[:, ours]
    asset.detector_state, scores = score_rows(detector, asset.detector_state, inputs, time_ns)
    expected, contribution = np.full(values.shape, np.nan), np.zeros(values.shape)
    expected[:, ours], contribution[:, ours] = scores.expected[:, theirs], scores.contribution[:, theirs]
    return Scores(scores.score, expected, contribution)


def _ready_detector(asset: Asset, models: Mapping[str, Detector], draft: Draft) -> Detector:
    """Return the asset's detector with its state in place: as it was stored, or fresh."""
    if asset.detector is None:
        asset.detector = models[asset.model] if asset.model else ColdStart(tuple(asset.sensors))
    if asset.detector_state is None:
        asset.detector_state = _restored(asset, asset.detector, draft)
    if asset.phase is Phase.LEARNING:
        asset.phase = Phase.PROVISIONAL
    return asset.detector


def _give_up_model(asset: Asset, draft: Draft, time_ns: int, seq: int) -> None:
    """Go on without a model that the store has lost: as an asset that is just being learned."""
    text = f"model {asset.model[:19]} is missing or damaged: provisional scores until the asset is learned anew"
    draft.notices.append(Notice("model-lost", "", text, time_ns))
    draft.notices += drifting.end(asset, time_ns)
    asset.model = ""
    asset.forget_detector()
    learning.begin_anew(asset, seq, learning.FIRST_MODEL)


def _restored(asset: Asset, detector: Detector, draft: Draft) -> DetectorState:
    """Return the stored state; a fresh one where there is none, or where another version wrote it."""
    if not asset.stored_detector_state:
        return detector.start()
    try:
        return detector.restore(asset.stored_detector_state)
    except ValueError as error:
        draft.notices.append(Notice("detector-restarted", "", f"scores begin anew: {error}", asset.closed_ns))
        return detector.start()


def _raise_alarms(asset: Asset, rows: ScoredRows, draft: Draft) -> NDArray[np.bool_]:
    """Let the alarms see the rows; return during which of them all was calm (worked out only where it is asked for).

    While nothing is the matter all rows go at once; else one by one, because calm may come and go between them.
    """
    book, settings = asset.book, asset.profile.alarms
    if not asset.learning.since_seq:
        draft.alarms += on_rows(book, asset.key, rows, settings)
        return np.zeros(len(rows.time_ns), bool)
    ignored = SCORE if learning.ignores_score(asset) else ""
    if not book.alarms:
        before = msgspec.structs.replace(book, alarms={})
        if not on_rows(book, asset.key, rows, settings) and not book.alarms:
            return np.full(len(rows.time_ns), book.allows_learning(ignored))
        book = asset.book = before
    calm = np.empty(len(rows.time_ns), bool)
    for row in range(len(calm)):
        was_calm = book.allows_learning(ignored)
        draft.alarms += on_rows(book, asset.key, _only(rows, row), settings)
        calm[row] = was_calm and book.allows_learning(ignored)
    return calm


def _only(rows: ScoredRows, row: int) -> ScoredRows:
    one = slice(row, row + 1)
    return rows._replace(
        time_ns=rows.time_ns[one],
        values=rows.values[one],
        score=rows.score[one],
        expected=rows.expected[one],
        contribution=rows.contribution[one],
        raw=rows.raw[one],
        stuck_seconds=None if rows.stuck_seconds is None else rows.stuck_seconds[one],
    )


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
        origin_by(asset.detector, asset.sensors),
        season_length(asset.detector),
    )


def _row_quality(values: Matrix, is_awaited: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Return good where every sensor is there that is awaited, rejected where none is."""
    present = np.isfinite(values)
    complete = (present if is_awaited is None else present | ~is_awaited).all(axis=1)
    quality = np.where(complete, _GOOD, _MISSING).astype(np.uint8)
    quality[~present.any(axis=1)] = _REJECTED
    return quality


def _rows(asset: Asset, frame: Frame, scores: Scores, quality: NDArray[np.uint8]) -> Rows:
    return Rows(
        tuple(asset.sensors),
        frame.time_ns.astype("<i8").tobytes(),
        frame.values.astype("<f8").tobytes(),
        scores.score.astype("<f8").tobytes(),
        quality.tobytes(),
        _shortened(scores.expected),
        _shortened(scores.contribution),
        asset.phase,
        asset.model,
        asset.profile.grid_ns,
    )


def _shortened(values: Matrix) -> bytes:
    """Write as float32; what is larger than that holds is cut."""
    return np.clip(values, -_LARGEST, _LARGEST).astype("<f4").tobytes()


def _notice_vanished(asset: Asset, frame: Frame, draft: Draft) -> NDArray[np.bool_] | None:
    """Say when a sensor has not been read for long while others go on, and when it is back.

    Return at which rows (n by k) each sensor is awaited, because it was read before and has not vanished; None: always.
    """
    channels, fresh = asset.channels, np.isfinite(frame.raw)
    if fresh.all() and not channels.has_vanished.any():
        channels.seen_ns[:] = frame.time_ns[-1]
        return None
    seen_ns = np.where(fresh, frame.time_ns[:, None], LONG_AGO_NS)
    seen_ns = np.maximum.accumulate(np.concatenate((channels.seen_ns[None], seen_ns)), axis=0)[1:]
    channels.seen_ns = seen_ns[-1].copy()
    vanished = (seen_ns > LONG_AGO_NS) & (frame.time_ns[:, None] - seen_ns > asset.profile.vanish_ns)
    changes = np.diff(np.concatenate((channels.has_vanished[None], vanished)), axis=0)
    channels.has_vanished = vanished[-1].copy()
    for row, number in np.argwhere(changes).tolist():
        kind = "sensor-vanished" if vanished[row, number] else "sensor-returned"
        sensor = asset.sensors[number]
        draft.notices.append(Notice(kind, sensor, f"{sensor} {_PRESENCE[kind]}", int(frame.time_ns[row])))
    return (seen_ns > LONG_AGO_NS) & ~vanished
