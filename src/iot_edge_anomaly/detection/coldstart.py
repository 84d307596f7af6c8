"""A detector for an asset never seen before: it needs no fit, and says little until it has seen something.

Each sensor is compared with a running mean, in units of a running mean absolute deviation; what lies far out moves them
little (a Huber-type recursion: Huber 1964). Its score is a hint, for provisional states only: no budget is promised.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, DetectorSpec, DetectorState, Matrix, Scores

NAME = "coldstart"
LIMIT = 6.0
"""A row whose sensors deviate by so many mean absolute deviations, on average, scores 1."""

DOUBT_ROWS = 5.0
"""After so many rows a deviation counts half."""

FASTEST_FORGETTING = 0.01
OUTLIER = 4.0
FARTHEST = 50.0
FLOOR = 1e-6
"""Least deviation, relative to the sensor's own size."""

HUGE = 1e150
_HEADER = struct.Struct("<4sI")
_MAGIC = b"cold"


@dataclass(frozen=True)
class ColdState:
    """Rows (3, k): how many values each sensor has had, their running mean, their running absolute deviation."""

    running: Matrix

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        return _HEADER.pack(_MAGIC, self.running.shape[1]) + self.running.astype("<f8").tobytes()


class ColdStart:
    """Scores rows of sensors of which nothing was known before."""

    def __init__(self, sensors: tuple[str, ...]) -> None:
        self._sensors = sensors

    @property
    def name(self) -> str:
        """The method, as the catalog knows it."""
        return NAME

    @property
    def sensors(self) -> tuple[str, ...]:
        """The columns that `score` expects, in order."""
        return self._sensors

    def start(self) -> ColdState:
        """Return the state before the first row."""
        return ColdState(np.zeros((3, len(self._sensors))))

    def restore(self, state: bytes) -> ColdState:
        """Read a state. Raises ValueError if it is of other sensors."""
        count = len(self._sensors)
        if len(state) != _HEADER.size + 24 * count or _HEADER.unpack_from(state) != (_MAGIC, count):
            raise ValueError("the state is not of this model")
        return ColdState(np.frombuffer(state, "<f8", offset=_HEADER.size).astype(np.float64).reshape(3, count))

    def score(self, state: DetectorState, rows: Matrix) -> tuple[ColdState, Scores]:
        """Score rows in time order; see `component.detector.Detector.score`."""
        assert isinstance(state, ColdState)
        running = state.running.copy()
        known = np.isfinite(rows)
        values = np.clip(np.where(known, rows, 0.0), -HUGE, HUGE)
        expected, contribution = np.full(rows.shape, np.nan), np.zeros(rows.shape)
        for row in range(len(rows)):
            contribution[row], expected[row] = _take(running, values[row], known[row])
        return ColdState(running), Scores(contribution.sum(axis=1), expected, contribution)


def _take(
    running: Matrix, values: NDArray[np.float64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each sensor adds to the row's score and what was expected of it; then learn from the row."""
    count, mean, deviation = running
    began = known & (count > 0)
    unit = deviation + FLOOR * np.abs(mean) + np.finfo(float).tiny
    error = values - mean
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(error) / unit, FARTHEST)
    belief = count / (count + DOUBT_ROWS)
    contribution = np.where(began & (count > 1), distance * belief, 0.0) / (LIMIT * max(int(known.sum()), 1))
    expected = np.where(began, mean, np.nan)
    reach = np.where(count > DOUBT_ROWS, OUTLIER * unit, np.inf)
    step = np.where(began, np.clip(error, -reach, reach), error)
    rate = np.where(known, np.maximum(1.0 / (count + 1.0), FASTEST_FORGETTING), 0.0)
    running[1] = mean + rate * step
    running[2] = np.where(began, deviation + rate * (np.abs(step) - deviation), deviation)
    running[0] = np.minimum(count + known, 1.0 / FASTEST_FORGETTING)
    return contribution, expected


def fit(
    rows: Matrix,
    sensors: tuple[str, ...],
    *,
    rows_per_week: float,  # noqa: ARG001 - nothing is learned, and no budget is promised
    false_alarms_per_week: float,  # noqa: ARG001
    starts: NDArray[np.bool_] | None = None,  # noqa: ARG001
) -> ColdStart:
    """Return the detector for these sensors; see `component.detector.Fit`."""
    if rows.ndim != 2 or rows.shape[1] != len(sensors) or not sensors:
        raise ValueError(f"{rows.shape} values for {len(sensors)} sensors: one column a sensor is needed")
    return ColdStart(sensors)


def to_arrays(detector: Detector) -> tuple[Mapping[str, NDArray[np.generic]], Mapping[str, object]]:
    """Return (no arrays, the names of the sensors)."""
    return {}, {"sensors": list(detector.sensors)}


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], parameters: Mapping[str, object]) -> ColdStart:
    """Read the detector back. Raises ValueError."""
    names = parameters.get("sensors")
    if arrays or not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError("a coldstart detector has no arrays and a list `sensors`")
    return ColdStart(tuple(names))


SPEC = DetectorSpec(NAME, fit, to_arrays, from_arrays)
