"""The learning gate: which rows may be learned from, and when there are enough to ask for a model."""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.outcomes import FitRequest, Phase
from iot_edge_anomaly.pipeline.state import Asset, Learning

MOST_SPANS = 64
AFTER_FAILURE = 2
"""How many times as many rows are gathered before the next attempt after a fit that failed."""


def learn(asset: Asset, time_ns: NDArray[np.int64], is_good: NDArray[np.bool_], *, is_calm: bool) -> None:
    """Count rows towards a fit: good ones, while no alarm stands and nobody works on the asset."""
    learning = asset.learning
    if learning.since_seq == 0 or learning.is_asked:
        return
    if not is_calm or not is_good.any():
        learning.is_open = False
        return
    first, last = int(time_ns[is_good][0]), int(time_ns[is_good][-1])
    if learning.is_open and is_good.all():
        learning.spans[-1] = (learning.spans[-1][0], last)
    else:
        learning.spans = [*learning.spans[1 - MOST_SPANS :], (first, last)]
    learning.is_open = bool(is_good[-1])
    learning.rows += int(is_good.sum())


def begin(asset: Asset, seq: int) -> None:
    """Start to gather rows from this input message on."""
    asset.learning = Learning(seq, needed=asset.profile.learn_rows)


def request(asset: Asset, last_seq: int) -> FitRequest | None:
    """Ask for a model once there are rows enough; once, until it is answered."""
    learning = asset.learning
    if learning.since_seq == 0 or learning.is_asked or learning.rows < learning.needed:
        return None
    learning.is_asked = True
    why = "new normal" if asset.model else "first model"
    profile = asset.profile
    return FitRequest(
        learning.since_seq, last_seq, tuple(learning.spans), profile.false_alarms_per_week, profile.detector, why
    )


def fit_failed(asset: Asset) -> None:
    """Go on gathering: the next attempt has twice the rows."""
    asset.learning.needed = AFTER_FAILURE * max(asset.learning.rows, asset.learning.needed)
    asset.learning.is_asked = False
    asset.learning.is_open = False


def activate(asset: Asset, digest: str) -> None:
    """Score with this model from here on; what was gathered has served."""
    asset.model, asset.phase = digest, Phase.CALIBRATED
    asset.detector, asset.detector_state, asset.stored_detector_state = None, None, b""
    asset.learning = Learning()
