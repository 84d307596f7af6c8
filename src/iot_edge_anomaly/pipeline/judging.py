"""Which rows of an asset are judged, what its detector is shown of them, and what people are told of the others."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.detection.by_state_model import ByStateDetector, knows_states
from iot_edge_anomaly.pipeline.operating import NEVER_NS, Seen, StateRule, follow, shown
from iot_edge_anomaly.pipeline.state import Asset

NS = 1_000_000_000
MISSED_NS = 60 * NS
"""For so long a state that nobody has told yet is not worth a word."""

MOST_TOLD = 50
"""A sensor that has more states than this tells no state; no more is said of them."""


def see(asset: Asset, time_ns: NDArray[np.int64], values: Matrix) -> tuple[Seen, list[Notice]]:
    """Follow the state over n rows of k sensors, in time order; return it, and a notice where nothing tells it."""
    rule = asset.profile.states
    if rule is None:
        return Seen(np.full(len(time_ns), np.nan), np.ones(len(time_ns), bool)), []
    column = _column(asset)
    read = np.full(len(time_ns), np.nan) if column is None else values[:, column]
    before = asset.operating
    asset.operating, seen = follow(before, rule, time_ns, read)
    since_ns = int(time_ns[0]) if before.since_ns == NEVER_NS else before.since_ns
    is_missed = np.isnan(seen.state) & (time_ns - since_ns >= MISSED_NS)
    if before.is_missed or not is_missed.any():
        return seen, []
    asset.operating = msgspec.structs.replace(asset.operating, is_missed=True)
    text = f"{rule.sensor} is to say in which state the machine is and has no reading: nothing is judged or learned"
    return seen, [Notice("state-missing", rule.sensor, text, int(time_ns[is_missed.argmax()]))]


def shown_to(detector: Detector, asset: Asset, values: Matrix, seen: Seen) -> Matrix:
    """Return what the detector of an asset is shown of rows (n, k)."""
    if asset.profile.states is None:
        return values
    return shown(values, _column(asset), seen, takes_state=_by_state(detector, asset.profile.states) is not None)


def are_known(detector: Detector, asset: Asset, seen: Seen) -> NDArray[np.bool_]:
    """Return which of n rows are judged: of those that are to be, the ones whose state the detector has learned."""
    by_state = _by_state(detector, asset.profile.states)
    return seen.is_judged if by_state is None else seen.is_judged & np.isin(seen.state, list(by_state.learned))


def unknown_states(detector: Detector, asset: Asset, time_ns: NDArray[np.int64], seen: Seen) -> list[Notice]:
    """Say once of each state that it was not learned: its rows are not judged."""
    rule = asset.profile.states
    if rule is None or (unknown := np.flatnonzero(seen.is_judged & ~are_known(detector, asset, seen))).size == 0:
        return []
    notices, told = list[Notice](), list(asset.operating.told)
    _, firsts = np.unique(seen.state[unknown], return_index=True)
    for row in unknown[np.sort(firsts)].tolist():
        state = float(seen.state[row])
        if state not in told and len(told) < MOST_TOLD:
            told.append(state)
            text = f"state {state:g} was not seen while learning: not judged"
            notices.append(Notice("state-not-learned", rule.sensor, text, int(time_ns[row])))
    asset.operating = msgspec.structs.replace(asset.operating, told=tuple(told))
    return notices


def _by_state(detector: Detector, rule: StateRule | None) -> ByStateDetector | None:
    """Return the detector if it has a baseline for each of the states that this sensor tells."""
    by_state = knows_states(detector)
    return by_state if by_state and rule and by_state.declared.sensor == rule.sensor else None


def _column(asset: Asset) -> int | None:
    """Return where the state sensor stands among the asset's; None: it was never heard."""
    rule = asset.profile.states
    return asset.sensors.index(rule.sensor) if rule is not None and rule.sensor in asset.sensors else None
