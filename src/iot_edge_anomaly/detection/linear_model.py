"""How the linear detector scores: two linear views of each row, learned from the asset's own first data.

Each sensor is predicted twice by ridge regression: from the last rows of all sensors (*history*), and from the other
sensors of the same row (*cross*; with a single sensor: from rows further back). The absolute residuals, in units of
what cross-validation left unexplained, are averaged over views and sensors and smoothed by three exponential averages.
NumPy only; see Hoerl & Kennard (1970) for ridge regression, Lauritzen (1996, ch. 5) for reading all leave-one-out
regressions off one inverse.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import DetectorState, Matrix, Scores
from iot_edge_anomaly.detection.blocks import matmul_by_block
from iot_edge_anomaly.detection.holes import FOREVER, Ages, Allowance, Imputer, hold
from iot_edge_anomaly.detection.linear_state import LinearState

NAME = "linear"

CLIP = 20.0
"""Standardised values are clipped here: one wild reading must not drown all others."""

NEAR_LAGS = (1, 2, 3)
FAR_LAGS = (5, 6, 7)
SMOOTHING = np.array([0.3, 0.1, 0.03])
"""Weights of the newest row in the three averages."""


@dataclass(frozen=True)
class LinearModel:
    """What was learned of k sensors. All arrays float64; standardised units but for `mean` and `deviation`."""

    sensors: tuple[str, ...]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    alive: NDArray[np.bool_]
    history: Matrix
    cross: Matrix
    precision: Matrix
    scales: Matrix
    level: float
    threshold: float

    @property
    def cross_lags(self) -> tuple[int, ...]:
        """The rows that the cross view looks at: this one, or far ones where there are no other sensors."""
        return FAR_LAGS if len(self.sensors) == 1 else ()


class LinearDetector:
    """Scores rows with a `LinearModel`. Pure: what changes is in the state."""

    def __init__(self, model: LinearModel) -> None:
        self.model = model
        self._depth = max(NEAR_LAGS + model.cross_lags)
        self._belief = _view_weights(model.scales)
        self._imputer = Imputer(model.precision)

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
        typical = self.model.alive / max(int(self.model.alive.sum()), 1)
        averages = np.tile(typical, (len(SMOOTHING), 1))
        return LinearState(0, np.zeros((self._depth, count)), ages, averages, Allowance.full(count))

    def restore(self, state: bytes) -> LinearState:
        """Read a state. Raises ValueError if it is not of this model's shape."""
        return LinearState.from_bytes(state, self._depth, len(self.sensors), len(SMOOTHING))

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
        return self._score(LinearState(0, tail, start.ages, averages, start.allowance), windows)[1]

    def _score(self, state: LinearState, rows: Matrix) -> tuple[LinearState, Scores]:
        """Score rows (n, k); or (n, w, k) without holes, of w windows, of which the state has w tails and averages."""
        model = self.model
        known: NDArray[np.bool_] = np.isfinite(rows) & model.alive
        standard, ages, allowance = self._standardise(rows, known, state)
        tail = np.concatenate((state.tail, standard))
        near, cross = self._predict(tail, standard, state.count)
        share = self._share(standard, known, near, cross, state.count)
        averages, smoothed = _smooth(state.averages, share, np.any(known, axis=-1))
        contribution = smoothed / model.threshold
        combined = near * self._belief[0] + cross * self._belief[1]
        expected = np.where(known, combined * model.deviation + model.mean, np.nan)
        tail = tail[len(tail) - self._depth :].copy()
        after = LinearState(state.count + len(rows), tail, ages, averages, allowance)
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

    def _predict(self, tail: Matrix, standard: Matrix, count: int) -> tuple[Matrix, Matrix]:
        """Return both views' predictions. Rows too early for a view get the other's; NaN if there is none."""
        model, rows = self.model, len(standard)
        near = matmul_by_block(_lagged(tail, NEAR_LAGS, rows), model.history, count)
        inputs = _lagged(tail, model.cross_lags, rows) if model.cross_lags else _with_one(standard)
        cross = matmul_by_block(inputs, model.cross, count)
        if count < self._depth:
            early = slice(0, self._depth - count)
            if model.cross_lags:
                cross[early] = np.nan
            near[early] = cross[early]
        return near, cross

    def _share(self, standard: Matrix, known: NDArray[np.bool_], near: Matrix, cross: Matrix, count: int) -> Matrix:
        """Return each sensor's share of the oddness of each row, before smoothing; a typical row sums to 1."""
        scales = self.model.scales
        by_cross = np.abs(standard - cross) / scales[1]
        by_history = np.abs(standard - near) / scales[0]
        if count < self._depth:
            early = slice(0, self._depth - count)
            by_history[early] = by_cross[early] = np.where(np.isnan(by_cross[early]), 1.0, by_cross[early])
        oddness: Matrix = np.where(known, 0.5 * (by_history + by_cross), 0.0)
        oddness /= np.maximum(known.sum(axis=-1, keepdims=True), 1) * self.model.level
        return oddness


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


def _smooth(averages: Matrix, share: Matrix, judged: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
    """Return the averages after all rows, and their mean at each row. A row with nothing to judge leaves them.

    Of windows without holes, either all have something to judge in a row or none.
    """
    weights = SMOOTHING[:, None]
    current = averages.copy()
    trace = np.zeros((len(share), *averages.shape))
    for row in np.flatnonzero(judged.all(axis=tuple(range(1, judged.ndim)))):
        current += weights * (share[row][..., None, :] - current)
        trace[row] = current
    smoothed: Matrix = (trace[..., 0, :] + trace[..., 1, :] + trace[..., 2, :]) / len(SMOOTHING)
    return current, smoothed
