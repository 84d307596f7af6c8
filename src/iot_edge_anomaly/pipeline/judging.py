"""Which rows are judged, what a detector is shown of them, and what people are told of the others.

`rule` None: no sensor tells a state, and all rows are judged.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.detection.by_state_model import ByStateDetector
from iot_edge_anomaly.detection.inside import knows_states
from iot_edge_anomaly.pipeline.operating import NEVER_NS, Operating, Seen, StateRule, follow, shown
from iot_edge_anomaly.pipeline.state import Asset

NS = 1_000_000_000
MISSED_NS = 60 * NS
"""For so long a state that nobody has told yet is not worth a word."""

MOST_TOLD = 50
"""A sensor that has more states than this tells no state; no more is said of them."""


def states_in(
    before: Operating, rule: StateRule | None, sensors: Sequence[str], time_ns: NDArray[np.int64], values: Matrix
) -> tuple[Operating, Seen]:
    """Follow the state over n rows of k sensors, in time order."""
    if rule is None:
        return before, Seen(np.full(len(time_ns), np.nan), np.ones(len(time_ns), bool))
    column = _column(rule, sensors)
    read = np.full(len(time_ns), np.nan) if column is None else values[:, column]
    return follow(before, rule, time_ns, read)


def shown_to(detector: Detector, rule: StateRule | None, sensors: Sequence[str], values: Matrix, seen: Seen) -> Matrix:
    """Return what a detector is shown of rows (n, k)."""
    if rule is None:
        return values
    return shown(values, _column(rule, sensors), seen, takes_state=_by_state(detector, rule) is not None)


def are_known(detector: Detector, rule: StateRule | None, seen: Seen) -> NDArray[np.bool_]:
    """Return which of n rows are judged: of those that are to be, the ones whose state the detector has learned."""
    by_state = _by_state(detector, rule)
    return seen.is_judged if by_state is None else seen.is_judged & np.isin(seen.state, list(by_state.learned))


def see(asset: Asset, time_ns: NDArray[np.int64], values: Matrix) -> tuple[Seen, list[Notice]]:
    """Follow the state of an asset; return it, and a notice where nothing tells it."""
    before, rule = asset.operating, asset.profile.states
    asset.operating, seen = states_in(before, rule, asset.sensors, time_ns, values)
    if rule is None or before.is_missed:
        return seen, []
    since_ns = int(time_ns[0]) if before.since_ns == NEVER_NS else before.since_ns
    missed = np.flatnonzero(np.isnan(seen.state) & (time_ns - since_ns >= MISSED_NS))
    if not len(missed):
        return seen, []
    asset.operating = msgspec.structs.replace(asset.operating, is_missed=True)
    text = f"{rule.sensor} is to say in which state the machine is and has no reading: nothing is judged or learned"
    return seen, [Notice("state-missing", rule.sensor, text, int(time_ns[missed[0]]))]


def unknown_states(detector: Detector, asset: Asset, time_ns: NDArray[np.int64], seen: Seen) -> list[Notice]:
    """Say once of each state that it was not learned: its rows are not judged."""
    rule = asset.profile.states
    if rule is None or not len(unknown := np.flatnonzero(seen.is_judged & ~are_known(detector, rule, seen))):
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


def _column(rule: StateRule, sensors: Sequence[str]) -> int | None:
    """Return where the state sensor stands; None: it was never heard."""
    return list(sensors).index(rule.sensor) if rule.sensor in sensors else None
