"""Simpler detectors of our own that the default one has to beat, all in one place: no product, only a measure.

Like peers they are fitted on rows in units of the training rows' deviation and score what follows. Nothing is chosen by
labels, and all is the same for all series.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.baselines import Fitted, Vector, run_in
from iot_edge_anomaly.component.detector import Matrix

LAGS, FAR_LAGS = (1, 2, 3), (5, 6, 7)
DEPTH = max(FAR_LAGS)
STRENGTH, INTERCEPT_STRENGTH = 10.0, 1e-3
FOLDS = 4
CLIP = 20.0
FEATURES, FEATURE_CLIP = 150, 8.0
MEAN_ROWS = 10
SMOOTHING = (0.3, 0.1, 0.03)
USUAL, ADAPT_RATE, FARTHEST = 0.8, 0.002, 3.0
NEIGHBOURS, NEIGHBOUR_ROWS, ROWS_AT_ONCE = 5, 2_000, 1_024

Inputs = Callable[[Matrix], Matrix]
"""From rows (n, k) to what a view sees of the rows from `DEPTH` on (n - DEPTH, inputs)."""


def averaged_autoregression(train: Matrix) -> Fitted:
    """Score by the mean of the last 10 rows' squared residuals of a ridge autoregression over three rows."""
    train = np.clip(train, -CLIP, CLIP)
    view = _View(_lagged(LAGS), train)

    def score(residuals: Matrix) -> Vector:
        squares = np.mean((residuals / view.scale) ** 2, axis=1)
        return np.convolve(squares, np.full(MEAN_ROWS, 1 / MEAN_ROWS))[: len(squares)]

    def follow(rows: Matrix) -> Vector:
        return score(view.residuals(np.concatenate((train[-DEPTH:], np.clip(rows, -CLIP, CLIP)))))

    return Fitted(run_in(score(view.held_out), MEAN_ROWS), follow)


def averaged_views(train: Matrix) -> Fitted:
    """Score by four linear views of every sensor, adapted slowly, smoothed; and by the distance to rows learned.

    Views: three lags of all sensors, three farther ones, the other sensors of the row, and lags with 150 fixed random
    features. The distance, to the five nearest of 2,000 rows, counts as much as one more sensor.
    """
    train = np.clip(train, -CLIP, CLIP)
    sensors = train.shape[1]
    kinds = [_lagged(LAGS), _lagged(FAR_LAGS), _features(sensors)]
    views: list[_View | _Others] = [_View(kind, train) for kind in kinds]
    views.append(_Others(train) if sensors > 1 else views[1])
    known = train[DEPTH:]
    chosen = np.linspace(0, len(known) - 1, min(NEIGHBOUR_ROWS, len(known))).astype(int)
    apart = np.empty(len(known))
    for fold in _folds(len(known)):
        others = chosen[(chosen < fold.start) | (chosen >= fold.stop)]
        apart[fold] = _distances(known[fold], known[others])
    usual_apart = float(apart.mean()) or 1.0
    odd = _adapted([np.abs(view.held_out) / view.scale for view in views])
    usual_odd = float(odd.mean()) or 1.0

    def score(odd: Vector, apart: Vector) -> Vector:
        near = _smoothed(_adapted([apart[:, None] / usual_apart]))
        return np.asarray(_smoothed(odd / usual_odd) * (near + 1e-3) ** (1.0 / sensors), np.float64)

    def follow(rows: Matrix) -> Vector:
        rows = np.concatenate((train[-DEPTH:], np.clip(rows, -CLIP, CLIP)))
        deviations = [np.abs(view.residuals(rows)) / view.scale for view in views]
        return score(_adapted(deviations), _distances(rows[DEPTH:], known[chosen]))

    return Fitted(score(odd, apart), follow)


class _View:
    """A ridge regression of every sensor on some inputs, and what it left unexplained of rows held out."""

    def __init__(self, inputs: Inputs, train: Matrix) -> None:
        self._inputs = inputs
        seen, target = inputs(train), train[DEPTH:]
        folds = _folds(len(target))
        sums = [(seen[fold].T @ seen[fold], seen[fold].T @ target[fold]) for fold in folds]
        squares, products = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
        penalty = _penalty(len(squares))
        self.held_out = np.empty_like(target)
        for fold, (own_squares, own_products) in zip(folds, sums, strict=True):
            weights = np.linalg.solve(squares - own_squares + penalty, products - own_products)
            self.held_out[fold] = target[fold] - seen[fold] @ weights
        self._weights = np.linalg.solve(squares + penalty, products)
        self.scale = _scale(self.held_out)

    def residuals(self, rows: Matrix) -> Matrix:
        """Return what is unexplained of rows, from `DEPTH` on."""
        return np.asarray(rows[DEPTH:] - self._inputs(rows) @ self._weights, np.float64)


class _Others:
    """Each sensor by the others of its row: all ridge regressions off one inverse (Lauritzen 1996, ch. 5)."""

    def __init__(self, train: Matrix) -> None:
        target, seen = train[DEPTH:], _with_one(train[DEPTH:])
        squares, penalty = seen.T @ seen, _penalty(seen.shape[1])
        self.held_out = np.empty_like(target)
        for fold in _folds(len(target)):
            weights = self._solve(squares - seen[fold].T @ seen[fold] + penalty)
            self.held_out[fold] = target[fold] - seen[fold] @ weights
        self._weights = self._solve(squares + penalty)
        self.scale = _scale(self.held_out)

    def residuals(self, rows: Matrix) -> Matrix:
        return np.asarray(rows[DEPTH:] - _with_one(rows[DEPTH:]) @ self._weights, np.float64)

    @staticmethod
    def _solve(squares: Matrix) -> Matrix:
        inverse = np.linalg.inv(squares)
        weights: Matrix = -inverse[:, :-1] / np.diag(inverse)[:-1]
        np.fill_diagonal(weights, 0.0)
        return weights


def _folds(rows: int) -> list[slice]:
    return [slice(begin, end) for begin, end in pairwise(np.linspace(0, rows, FOLDS + 1).astype(int).tolist())]


def _penalty(size: int) -> Matrix:
    return np.diag(np.append(np.full(size - 1, STRENGTH), INTERCEPT_STRENGTH))


def _scale(residuals: Matrix) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((residuals**2).mean(axis=0)) + 1e-3, np.float64)


def _with_one(rows: Matrix) -> Matrix:
    return np.concatenate((rows, np.ones((len(rows), 1))), axis=1)


def _lagged(lags: tuple[int, ...]) -> Inputs:
    return lambda rows: _with_one(np.concatenate([rows[DEPTH - lag : len(rows) - lag] for lag in lags], axis=1))


def _features(sensors: int) -> Inputs:
    random = np.random.default_rng(7)
    weights = random.normal(size=(len(LAGS) * sensors, FEATURES)) / np.sqrt(len(LAGS) * sensors)
    shifts = random.uniform(-1.0, 1.0, FEATURES)

    def inputs(rows: Matrix) -> Matrix:
        near = np.clip(_lagged(LAGS)(rows), -FEATURE_CLIP, FEATURE_CLIP)
        return np.concatenate((np.tanh(near[:, :-1] @ weights + shifts), near), axis=1)

    return inputs


def _adapted(deviations: Sequence[Matrix]) -> Vector:
    """Return the mean over views and sensors of deviations (n, k), each divided by how much it has grown of late."""
    stacked = np.stack(deviations, axis=1)
    running, adapted = np.full(stacked.shape[1:], USUAL), np.empty(len(stacked))
    for row, now in enumerate(stacked):
        grown = running / USUAL
        shared = max(1.0, float(np.median(grown)))
        adapted[row] = (now / np.sqrt(np.maximum(grown, 1.0) * np.maximum(grown / shared, 1.0))).mean()
        running += ADAPT_RATE * (np.minimum(now, FARTHEST * running) - running)
    return adapted


def _smoothed(values: Vector) -> Vector:
    total = np.zeros(len(values))
    for weight in SMOOTHING:
        average = 1.0
        for row, value in enumerate(values.tolist()):
            average += weight * (value - average)
            total[row] += average
    return total / len(SMOOTHING)


def _distances(rows: Matrix, known: Matrix) -> Vector:
    """Return the mean distance of rows to the nearest known ones."""
    squares, found = (known**2).sum(axis=1), np.empty(len(rows))
    neighbours = min(NEIGHBOURS, len(known))
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[begin : begin + ROWS_AT_ONCE]
        apart = np.maximum(squares - 2 * part @ known.T + (part**2).sum(axis=1)[:, None], 0.0)
        nearest = np.partition(apart, neighbours - 1, axis=1)[:, :neighbours]
        found[begin : begin + ROWS_AT_ONCE] = np.sqrt(nearest).mean(axis=1)
    return found
