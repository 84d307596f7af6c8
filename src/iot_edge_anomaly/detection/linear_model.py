"""How the linear detector scores: two linear views of each row, learned from the asset's own first data.

Each sensor is predicted twice by ridge regression: from the last rows of all sensors (*history*), and from the other
sensors of the same row (*cross*; a single sensor is compared with where it has been: `places`). The absolute residuals,
in units of what cross-validation left unexplained, are each given the voice that its sensor has (`voice`), averaged
over views and sensors, and smoothed by three exponential averages, each with its limit (`averages`). NumPy only; see
Hoerl & Kennard (1970) for ridge regression, Lauritzen (1996, ch. 5) for all leave-one-out regressions off one inverse.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import DetectorState, Matrix, Scores
from iot_edge_anomaly.core.outcomes import Origin
from iot_edge_anomaly.detection.averages import AVERAGES, MOVING, SMOOTHING, farthest, shared, smooth
from iot_edge_anomaly.detection.blocks import ROWS, block_slices, matmul_by_block
from iot_edge_anomaly.detection.holes import FOREVER, Ages, Allowance, Imputer, hold
from iot_edge_anomaly.detection.linear_state import VIEWS, LinearState
from iot_edge_anomaly.detection.origin import LEAST_SENSORS, likelier, oddness
from iot_edge_anomaly.detection.places import WINDOW_ROWS, distances, places_of
from iot_edge_anomaly.detection.voice import USUAL, Means, shares

NAME = "linear"

CLIP = 20.0
"""Standardised values are clipped here: one wild reading must not drown all others."""

NEAR_LAGS = (1, 2, 3)

LEAST_TOTAL = 1e-300
MOST_MOVED = 3.0
"""In units of what its past leaves unexplained: moving farther in a row does not make a sensor livelier."""


@dataclass(frozen=True)
class LinearModel:
    """What was learned of k sensors. All arrays float64; standardised units but for `mean` and `deviation`.

    `beside`: weights (k + 1, k) of the cross view, or places (m, 2) of a single sensor. `scales` (2, k): what each view
    leaves unexplained. `voices` (k,): what each sensor has to say. `level`: how odd a usual row is. `limits` (3,): of
    the averages.
    """

    sensors: tuple[str, ...]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    alive: NDArray[np.bool_]
    history: Matrix
    beside: Matrix
    precision: Matrix
    scales: Matrix
    voices: NDArray[np.float64]
    level: float
    limits: NDArray[np.float64]

    @property
    def depth(self) -> int:
        """How many rows before a row it takes to judge it."""
        return max(NEAR_LAGS) if len(self.sensors) > 1 else WINDOW_ROWS - 1


class LinearDetector:
    """Scores rows with a `LinearModel`. Pure: what changes is in the state."""

    def __init__(self, model: LinearModel) -> None:
        self.model = model
        self._belief = _view_weights(model.scales)
        self._imputer = Imputer(model.precision)
        self._move_worth = _heard(model) / model.scales[0] / model.level

    @property
    def name(self) -> str:
        """The method, as the catalog knows it."""
        return NAME

    @property
    def sensors(self) -> tuple[str, ...]:
        """The columns that `score` expects, in order."""
        return self.model.sensors

    def start(self) -> LinearState:
        """Return the state before the first row: typical averages, nothing known."""
        count = len(self.sensors)
        ages = np.full(count, FOREVER, np.int64)
        averages = np.concatenate((np.tile(_heard(self.model), (len(SMOOTHING), 1)), np.zeros((len(MOVING), count))))
        means = Means.usual(VIEWS, count)
        return LinearState(0, np.zeros((self.model.depth, count)), ages, averages, means, Allowance.full(count))

    def restore(self, state: bytes) -> LinearState:
        """Read a state. Raises ValueError if it is not of this model's shape."""
        return LinearState.from_bytes(state, self.model.depth, len(self.sensors))

    def resume(self, state: LinearState) -> LinearState:
        """Return the state after an interruption: no row is known that the next one could follow from.

        How odd rows have been of late stays, but for what was in alarm: that must show itself again.
        """
        averages = state.averages.copy()
        smoothed = averages[: len(SMOOTHING)]
        smoothed *= np.minimum(self.model.limits / np.maximum(smoothed.sum(axis=1), LEAST_TOTAL), 1.0)[:, None]
        return replace(self.start(), averages=averages, means=state.means.ended(), allowance=state.allowance)

    def score(self, state: DetectorState, rows: Matrix) -> tuple[LinearState, Scores]:
        """Score rows in time order; see `component.detector.Detector.score`."""
        assert isinstance(state, LinearState)
        return self._score(state, np.ascontiguousarray(rows, np.float64))

    def score_windows(self, windows: Matrix) -> Scores:
        """Score windows; see `component.detector.Detector.score_windows`. With holes they cost one call each."""
        start, count = self.start(), windows.shape[1]
        if not (np.isfinite(windows) | ~self.model.alive).all():
            each = [self._score(start, windows[:, window])[1] for window in range(count)]
            return Scores(*(np.stack(parts, axis=1) for parts in zip(*each, strict=True)))
        tail = np.repeat(start.tail[:, None], count, axis=1)
        averages = np.repeat(start.averages[None], count, axis=0)
        means = Means.usual(count, VIEWS, len(self.sensors))
        return self._score(LinearState(0, tail, start.ages, averages, means, start.allowance), windows)[1]

    def origin(self, row: NDArray[np.float64], suspect: int) -> Origin:
        """Tell a fault of a sensor from one of the machine; see `component.detector.TellsOrigin`."""
        model, known = self.model, np.isfinite(row) & self.model.alive
        if known.sum() < LEAST_SENSORS or not known[suspect]:
            return Origin.UNTOLD
        with np.errstate(over="ignore"):
            standard = np.clip((np.where(known, row, model.mean) - model.mean) / model.deviation, -CLIP, CLIP)
        return likelier(oddness(standard, known, suspect, model.precision, model.scales[1], model.voices))

    def _score(self, state: LinearState, rows: Matrix) -> tuple[LinearState, Scores]:
        """Score rows (n, k); or (n, w, k) without holes, of w windows, of which the state has w tails and averages."""
        model = self.model
        known: NDArray[np.bool_] = np.isfinite(rows) & model.alive
        standard, ages, allowance = self._standardise(rows, known, state)
        tail = np.concatenate((state.tail, standard))
        expected, deviations = self._look(tail, standard, state.count)
        contribution, averages, means = self._weigh(deviations, self._moved(tail, known, state.count), known, state)
        expected = np.where(known, expected * model.deviation + model.mean, np.nan)
        tail = tail[len(tail) - model.depth :].copy()
        after = LinearState(state.count + len(rows), tail, ages, averages, means, allowance)
        return after, Scores(contribution.sum(axis=-1), expected, contribution)

    def _standardise(
        self, rows: Matrix, known: NDArray[np.bool_], state: LinearState
    ) -> tuple[Matrix, Ages, Allowance]:
        """Return rows in standard units, without holes; how old each sensor's value and what is allowed after them."""
        model = self.model
        with np.errstate(over="ignore"):
            standard = np.clip((np.where(known, rows, model.mean) - model.mean) / model.deviation, -CLIP, CLIP)
        fresh = known | ~model.alive
        if fresh.all():
            ages = np.zeros_like(state.ages) if len(rows) else state.ages
            return standard, ages, state.allowance.after(len(rows), len(self.sensors))
        standard, age = hold(standard, fresh, state.tail[-1], state.ages)
        allowance = self._imputer.fill(standard, age == FOREVER, state.ages == FOREVER, state.allowance)
        return standard, age[-1], allowance

    def _look(self, tail: Matrix, standard: Matrix, count: int) -> tuple[Matrix, Matrix]:
        """Return what is expected (n, ..., k), and how far off each view is (n, ..., 2, k), in its own units.

        The first rows have no past: they are judged by the other view alone, or expected to be as they are.
        """
        model, rows = self.model, len(standard)
        early = slice(0, max(max(NEAR_LAGS) - count, 0))
        near = matmul_by_block(_lagged(tail, NEAR_LAGS, rows), model.history, count)
        if len(self.sensors) == 1:
            near[early] = standard[early]
            off = np.abs(standard - near), distances(places_of(tail, rows, count), model.beside)[..., None]
            return near, np.stack(off, axis=-2) / model.scales
        cross = matmul_by_block(_with_one(standard), model.beside, count)
        deviations = np.abs(standard[..., None, :] - np.stack((near, cross), axis=-2)) / model.scales
        near[early], deviations[early, ..., 0, :] = cross[early], deviations[early, ..., 1, :]
        return near * self._belief[0] + cross * self._belief[1], deviations

    def _moved(self, tail: Matrix, known: NDArray[np.bool_], count: int) -> Matrix:
        """Return how far each sensor moved (n, ..., k) with its voice, in units of what its past leaves unexplained.

        What moves less than that is calmer than it was while learning. A sensor that is missing moves as usual.
        """
        first = len(tail) - len(known)
        moved = tail[first:] - tail[first - 1 : -1]
        np.abs(moved, out=moved)
        np.minimum(moved, MOST_MOVED * self.model.scales[0], out=moved)
        moved[: max(1 - count, 0)] = 0.0
        if not known.all():
            moved = np.where(known, moved, USUAL * self.model.scales[0])
        moved *= self._move_worth
        return moved

    def _weigh(
        self, deviations: Matrix, moved: Matrix, known: NDArray[np.bool_], state: LinearState
    ) -> tuple[Matrix, Matrix, Means]:
        """Return what each sensor contributes (n, ..., k), and the averages and the means after the last row."""
        model, averages, means = self.model, state.averages, state.means
        trace = np.empty((*known.shape[:-1], AVERAGES, known.shape[-1]))
        judged = np.any(known, axis=-1, keepdims=True)
        score = np.empty(judged.shape)
        for rows in block_slices(state.count, len(known)):
            oddness = (deviations[rows] * means.voices).mean(axis=-2)
            share = shares(oddness, known[rows], model.voices) / model.level
            averages, trace[rows] = smooth(averages, share, moved[rows], judged[rows])
            score[rows] = farthest(trace[rows], model.limits)
            counts = known[rows] & (score[rows] <= 1.0)
            means = means.after(deviations[rows], counts, ends_block=(state.count + rows.stop) % ROWS == 0)
        return shared(score, trace, known), averages, means


def _heard(model: LinearModel) -> NDArray[np.float64]:
    """Return what each sensor (k,) has to say, of all that is said."""
    heard = model.alive * model.voices
    return np.asarray(heard / max(float(heard.sum()), 1.0), np.float64)


def _view_weights(scales: Matrix) -> Matrix:
    """Return how much each view is believed for each sensor: by the inverse of its squared error."""
    precision: Matrix = 1.0 / scales**2
    return np.asarray(precision / precision.sum(axis=0), np.float64)


def _with_one(rows: Matrix) -> Matrix:
    return np.concatenate((rows, np.ones((*rows.shape[:-1], 1))), axis=-1)


def _lagged(tail: Matrix, lags: tuple[int, ...], rows: int) -> Matrix:
    """Return for each of the last `rows` rows of `tail` the rows that lie `lags` before it, side by side, and a 1."""
    start = len(tail) - rows
    ones = np.ones((rows, *tail.shape[1:-1], 1))
    return np.concatenate([*(tail[start - lag : start - lag + rows] for lag in lags), ones], axis=-1)
