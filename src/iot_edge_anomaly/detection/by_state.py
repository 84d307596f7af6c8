"""A baseline for each operating state (`by_state_model`): *linear* learned anew for each, from the rows of that state.

So each state has means, scales and limits of its own. The false-alarm budget is shared by the states' shares of rows.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, DetectorSpec, Matrix
from iot_edge_anomaly.core.local_time import UTC
from iot_edge_anomaly.detection import linear, linear_arrays
from iot_edge_anomaly.detection.by_state_model import NAME, UNTOLD, ByStateDetector, States
from iot_edge_anomaly.detection.linear_model import LinearDetector

MOST_STATES = 12
"""Of more states those are learned that have the most rows: what is carried from row to row must stay small."""

STATE_BYTES = 40
"""What a state takes in a model file, for each pair of sensors."""

MOST_BYTES = 200 << 20
"""What all states together may take in a model file, about: fewer states of an asset with hundreds of sensors."""

ANY = 0.0
"""The state of all rows where no sensor tells one."""


def fit(
    rows: Matrix,
    sensors: tuple[str, ...],
    *,
    rows_per_week: float,
    false_alarms_per_week: float,
    starts: NDArray[np.bool_] | None = None,
    states: States = UNTOLD,
) -> ByStateDetector:
    """Learn each state from its own rows; see `component.detector.Fit`. A state with too few rows is left out."""
    if rows.ndim != 2 or rows.shape[1] != len(sensors) or not sensors:
        raise ValueError(f"{rows.shape} values for {len(sensors)} sensors: one column a sensor is needed")
    begins = np.zeros(len(rows), bool) if starts is None else starts
    measured = [number for number, sensor in enumerate(sensors) if sensor != states.sensor]
    if not measured:
        raise ValueError(f"{states.sensor} says the state; there is no other sensor to learn")
    names = tuple(sensors[number] for number in measured)
    told = rows[:, sensors.index(states.sensor)] if states.sensor else np.full(len(rows), ANY)
    chosen = _chosen(told, min(MOST_STATES, max(MOST_BYTES // (STATE_BYTES * len(names) ** 2), 1)))
    total = sum(len(which) for which in chosen.values())
    learned, problems = dict[float, LinearDetector](), list[str]()
    for state, which in chosen.items():
        share = len(which) / total
        try:
            learned[state] = linear.fit(
                rows[which][:, measured],
                names,
                rows_per_week=rows_per_week * share,
                false_alarms_per_week=false_alarms_per_week * share,
                starts=begins[which] | (np.diff(which, prepend=-1) > 1),
            )
        except ValueError as error:
            problems.append(f"state {state:g}: {error}" if states.sensor else str(error))
    if not learned:
        raise ValueError("; ".join(problems) or f"{states.sensor} says in no row in which state the machine is")
    return ByStateDetector(sensors, states, learned)


def _chosen(states: NDArray[np.float64], most_states: int) -> dict[float, NDArray[np.intp]]:
    """Return the numbers of the rows of each state, of the states that have the most."""
    found, counts = np.unique(states[np.isfinite(states)], return_counts=True)
    most = np.sort(found[np.argsort(-counts, kind="stable")[:most_states]])
    return {float(state): np.flatnonzero(states == state) for state in most}


def to_arrays(detector: Detector) -> tuple[Mapping[str, NDArray[np.generic]], Mapping[str, object]]:
    """Return (arrays, parameters): those of each state, their names numbered."""
    if not isinstance(detector, ByStateDetector):
        raise TypeError(f"{detector.name} is not a detector by state")
    arrays = dict[str, NDArray[np.generic]]()
    for number, inner in enumerate(detector.learned.values()):
        own, _ = linear_arrays.to_arrays(inner)
        arrays |= {f"{number}_{name}": array for name, array in own.items()}
    return arrays, {
        "sensors": list(detector.sensors),
        "state_sensor": detector.declared.sensor,
        "settle_seconds": detector.declared.settle_seconds,
        "shifts": list(detector.declared.shifts),
        "time_zone": detector.declared.zone,
        "states": list(detector.learned),
        "levels": [inner.model.level for inner in detector.learned.values()],
    }


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], parameters: Mapping[str, object]) -> ByStateDetector:
    """Read the detectors of all states back. Raises ValueError when the parts do not fit together."""
    states, levels = _numbers(parameters, "states"), _numbers(parameters, "levels")
    sensors, declared = linear_arrays.sensors_of(parameters), _declared(parameters)
    if not states or len(set(states)) != len(states) or len(levels) != len(states):
        raise ValueError("`states` and `levels` must name each state once, and one at least")
    if declared.sensor not in (*sensors, "") or (not declared.sensor and len(states) > 1):
        raise ValueError(f"`state_sensor` must be one of the sensors, not {declared.sensor!r}")
    measured = [sensor for sensor in sensors if sensor != declared.sensor]
    parts: list[dict[str, NDArray[np.generic]]] = [{} for _ in states]
    for name, array in arrays.items():
        number, _, own = name.partition("_")
        if not number.isdecimal() or int(number) >= len(states):
            raise ValueError(f"array {name} is of none of the {len(states)} states")
        parts[int(number)][own] = array
    learned = {
        state: linear_arrays.from_arrays(part, {"sensors": measured, "level": level})
        for state, part, level in zip(states, parts, levels, strict=True)
    }
    return ByStateDetector(sensors, declared, learned)


def _declared(parameters: Mapping[str, object]) -> States:
    sensor, seconds = parameters.get("state_sensor"), parameters.get("settle_seconds")
    if not isinstance(sensor, str) or not isinstance(seconds, int | float) or not 0 <= seconds < np.inf:
        raise ValueError("`state_sensor` must be a name, and `settle_seconds` a number of at least 0")
    shifts, zone = parameters.get("shifts", []), parameters.get("time_zone", UTC)
    if not isinstance(shifts, list) or not all(isinstance(one, str) for one in shifts) or not isinstance(zone, str):
        raise ValueError("`shifts` must be a list of texts, and `time_zone` a name")
    return States(sensor, float(seconds), tuple(shifts), zone)


def _numbers(parameters: Mapping[str, object], name: str) -> list[float]:
    values = parameters.get(name)
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"`{name}` must be a list of numbers")
    return [float(value) for value in values]


SPEC = DetectorSpec(NAME, fit, to_arrays, from_arrays)
