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

MOST_ROWS = 100.0
"""So many rows are remembered, the older the fainter."""

OUTLIER = 4.0
FARTHEST = 50.0
FLOOR = 1e-6
"""Least deviation, relative to the sensor's own size."""

LEAST_UNIT = 1e-300

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
        running, scores = _score(state.running, rows)
        return ColdState(running), scores

    def score_windows(self, windows: Matrix) -> Scores:
        """Score windows; see `component.detector.Detector.score_windows`."""
        return _score(np.zeros((3, *windows.shape[1:])), windows)[1]


def _score(running: Matrix, rows: Matrix) -> tuple[Matrix, Scores]:
    """Score rows (n, k) after running values (3, k), or windows (n, w, k) after (3, w, k)."""
    known = np.isfinite(rows)
    values = np.clip(np.where(known, rows, 0.0), -HUGE, HUGE)
    counts = np.minimum(running[0] + np.cumsum(known, axis=0), MOST_ROWS)
    before = np.concatenate((running[:1], counts))[:-1]
    means, deviations, last = _follow(running, values, known, before)
    contribution = _oddness(values, means, deviations, before) * known
    contribution /= LIMIT * np.maximum(known.sum(axis=-1, keepdims=True), 1)
    expected = np.where(known & (before > 0), means, np.nan)
    after = np.stack((counts[-1] if len(rows) else running[0], *last))
    return after, Scores(contribution.sum(axis=-1), expected, contribution)


def _follow(
    running: Matrix, values: Matrix, known: NDArray[np.bool_], counts: Matrix
) -> tuple[Matrix, Matrix, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return mean and deviation before each row, and after the last; `counts` is how many values came before each."""
    _, mean, deviation = running
    means, deviations = np.empty(values.shape), np.empty(values.shape)
    rates = np.where(known, 1.0 / np.minimum(counts + 1.0, MOST_ROWS), 0.0)
    deviation_rates = np.where(counts > 0, rates, 0.0)
    reaches = np.where(counts > DOUBT_ROWS, OUTLIER, np.inf)
    for row in range(len(values)):
        means[row], deviations[row] = mean, deviation
        reach = reaches[row] * _unit(mean, deviation)
        step = np.minimum(np.maximum(values[row] - mean, -reach), reach)
        mean = mean + rates[row] * step
        deviation = deviation + deviation_rates[row] * (np.abs(step) - deviation)
    return means, deviations, (mean, deviation)


def _unit(mean: Matrix, deviation: Matrix) -> Matrix:
    """Return the unit of oddness: the deviation, never quite nothing."""
    return deviation + (FLOOR * np.abs(mean) + LEAST_UNIT)


def _oddness(values: Matrix, means: Matrix, deviations: Matrix, counts: Matrix) -> Matrix:
    """Return the distance of each value from the mean, believed the more the more values came before."""
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(values - means) / _unit(means, deviations), FARTHEST)
    return np.where(counts > 1, distance * (counts / (counts + DOUBT_ROWS)), 0.0)


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
