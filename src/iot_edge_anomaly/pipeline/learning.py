"""The learning gate: which rows may be learned from, and when there are enough to ask for a model.

Rows are judged one by one and counted only up to what is needed, so that what is asked for does not depend on how
messages were cut into steps: a request is never lost between a crash and the replay after it.
"""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.local_time import UTC
from iot_edge_anomaly.core.outcomes import FitRequest, Phase
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset, Learning

NS = 1_000_000_000
MOST_SPANS = 256
AFTER_FAILURE = 2
"""How many times as many rows are gathered before the next attempt after a fit that failed."""

MOST_AFTER_FAILURE = 16
"""How many times the usual rows are gathered at most."""

PATIENCE = 10
"""A request that nobody has answered after so many times the rows it took is made again."""

ABANDONED_NS = 2 * 86_400 * 1_000_000_000
"""An asset that is silent for so long keeps no input from being purged; it gathers anew when it comes back."""

FIRST_MODEL = "first model"
NEW_NORMAL = "new normal"
NEW_SENSOR = "new sensor"
NEW_GRID = "new grid"
NEW_STATES = "new states"
NEW_SEASON = "no season any more"
SEASON = "season"
"""Asked for when an asset that follows the clock has a model without it, and was watched for long enough."""


def begin(asset: Asset, seq: int, why: str) -> None:
    """Start to gather rows from this input message on."""
    states, season = asset.profile.states, asset.profile.season
    asset.learning = Learning(
        seq,
        why,
        asset.profile.learn_rows,
        state_sensor=states.sensor if states else "",
        least_ns=season.least_ns if season and (why == SEASON or (why == NEW_SENSOR and _knows_season(asset))) else 0,
    )


def _knows_season(asset: Asset) -> bool:
    """Tell whether the model in use has learned the season: one without it is not taken for calibrated."""
    return asset.phase is Phase.CALIBRATED and asset.learning.why != SEASON


def begin_anew(asset: Asset, seq: int, why: str) -> None:
    """Gather rows again; until there is a new model the score of the old one raises no alarms."""
    begin(asset, seq, why)
    if asset.phase is Phase.CALIBRATED:
        asset.phase = Phase.PROVISIONAL


def learn(
    asset: Asset,
    time_ns: NDArray[np.int64],
    may_learn: NDArray[np.bool_],
    state: NDArray[np.float64],
    last_seq: int,
) -> FitRequest | None:
    """Take n rows in time order towards a fit, those that may be learned from; ask for it once there are enough.

    `state` (n,): in which state the machine was, if a sensor tells it. `last_seq`: no later message is needed to work
    these rows out again.
    """
    learning, is_due = asset.learning, False
    if not learning.is_asked:
        may_learn = may_learn[_gather(learning, time_ns, may_learn, state) :]
        is_due = learning.is_asked = _is_enough(learning)
    if learning.is_asked:
        times, learning.unanswered = divmod(learning.unanswered + int(may_learn.sum()), PATIENCE * learning.needed)
        is_due |= times > 0
    return _request(asset, last_seq) if is_due else None


def _gather(
    learning: Learning, time_ns: NDArray[np.int64], may_learn: NDArray[np.bool_], state: NDArray[np.float64]
) -> int:
    """Take rows in, up to what is needed; return up to which of them."""
    tells_state = bool(learning.state_sensor)
    for start, stop in _runs(may_learn, state if tells_state else None):
        stop = min(stop, start + _wanted(learning, time_ns[start:stop]))
        first, last, rows = int(time_ns[start]), int(time_ns[stop - 1]), stop - start
        if learning.is_open and start == 0 and (not tells_state or learning.states[-1] == state[0]):
            first, _, before = learning.spans.pop()
            learning.spans.append((first, last, before + rows))
        else:
            learning.spans.append((first, last, rows))
            learning.states += [float(state[start])] if tells_state else []
        learning.rows += rows
        if _is_enough(learning):
            learning.is_open = False
            return stop
        if len(learning.spans) > MOST_SPANS:
            dropped = _dispensable(learning)
            learning.rows -= learning.spans.pop(dropped)[2]
            del learning.states[dropped : dropped + 1]
    learning.is_open = bool(may_learn[-1])
    return len(time_ns)


def _dispensable(learning: Learning) -> int:
    """Return which span is given up where there are too many: the oldest; for a season the shortest within."""
    if not learning.least_ns:
        return 0
    return min(range(1, len(learning.spans) - 1), key=lambda number: learning.spans[number][2])


def _wanted(learning: Learning, time_ns: NDArray[np.int64]) -> int:
    """Return how many of the next rows make it enough, if they are so many."""
    first_ns = learning.spans[0][0] if learning.spans else int(time_ns[0])
    last = int(np.searchsorted(time_ns, first_ns + learning.least_ns)) if learning.least_ns else 0
    return max(learning.needed - learning.rows, last + 1)


def _is_enough(learning: Learning) -> bool:
    """Tell whether there are as many rows as are needed, over as long a time."""
    if learning.rows < learning.needed:
        return False
    return not learning.least_ns or learning.spans[-1][1] - learning.spans[0][0] >= learning.least_ns


def _runs(may_learn: NDArray[np.bool_], state: NDArray[np.float64] | None) -> list[tuple[int, int]]:
    """Return from which row to before which one all may be learned from, in one state each."""
    edges = np.flatnonzero(np.diff(may_learn, prepend=False, append=False))
    if state is not None:
        within = np.flatnonzero(may_learn[1:] & may_learn[:-1] & (state[1:] != state[:-1])) + 1
        edges = np.sort(np.concatenate((edges, within, within)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _request(asset: Asset, last_seq: int) -> FitRequest:
    learning, profile = asset.learning, asset.profile
    season = profile.season if learning.least_ns else None
    spans = tuple((first, last) for first, last, _ in learning.spans)
    return FitRequest(
        learning.since_seq,
        last_seq,
        spans,
        profile.false_alarms_per_week,
        profile.detector,
        learning.why,
        learning.state_sensor,
        tuple(learning.states),
        profile.states.settle_ns / NS if profile.states else 0.0,
        season.length if season else "",
        profile.settings.time_zone or UTC,
        profile.settings.shifts or (),
    )


def ignores_score(asset: Asset) -> bool:
    """Tell whether score alarms do not close the gate: those of a model that does not know the season to be learned."""
    return asset.learning.why == SEASON


def fit_failed(asset: Asset, seq: int, *, wants_more: bool) -> bool:
    """Gather anew, more than before where that may help; tell whether there was anything to answer."""
    if not asset.learning.is_asked:
        return False
    why, needed = asset.learning.why, asset.learning.needed * (AFTER_FAILURE if wants_more else 1)
    begin(asset, seq, why)
    asset.learning.needed = min(needed, MOST_AFTER_FAILURE * asset.learning.needed)
    return True


def is_outdated(asset: Asset) -> bool:
    """Tell whether an answer of the trainer is to a request from before all was to be learned anew."""
    return asset.learning.why in (NEW_NORMAL, NEW_GRID, NEW_STATES, NEW_SEASON) and not asset.learning.is_asked


def activate(asset: Asset, digest: str, *, lacks_season: bool = False) -> None:
    """Score with this model from here on; what was gathered has served.

    To a model without the season that the asset follows each night is odd: its scores raise no alarms.
    """
    asset.model, asset.phase = digest, Phase.PROVISIONAL if lacks_season else Phase.CALIBRATED
    asset.forget_detector()
    asset.learning = Learning()


def is_abandoned(asset: Asset, now_ns: int) -> bool:
    """Tell whether an asset has been silent for so long that what it gathered is given up; a season may have gaps."""
    return LONG_AGO_NS < asset.last_heard_ns < now_ns - max(ABANDONED_NS, asset.learning.least_ns)
