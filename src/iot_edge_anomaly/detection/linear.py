"""The default detector, *linear*: ridge regressions from sums of products, cross-validated over four stretches."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import DetectorSpec, Matrix
from iot_edge_anomaly.detection.averages import limits_for_budget
from iot_edge_anomaly.detection.holes import FOREVER, Allowance, Imputer, hold
from iot_edge_anomaly.detection.linear_arrays import from_arrays, to_arrays
from iot_edge_anomaly.detection.linear_model import (
    CLIP,
    NAME,
    NEAR_LAGS,
    LinearDetector,
    LinearModel,
)
from iot_edge_anomaly.detection.places import WINDOW_ROWS, learned_places, places_of
from iot_edge_anomaly.detection.voice import adapt, shares, voices

STRENGTH = 10.0
INTERCEPT_STRENGTH = 1e-3
PERSISTENT = 0.5
"""A sensor whose rows correlate so much with the rows before is expected to stay as it is."""

FOLDS = 4
LEAST_ROWS = 40
SCALE_FLOOR = 1e-2
"""Of a standard deviation: a sensor predicted better than this says nothing when it is off by so little."""

DEAD_DEVIATION = 1e-9
HUGE = 1e150
"""Values are clipped here, so that their squares can be added up."""


class _View(NamedTuple):
    """One way to look at every sensor: what was learned, and how far off held-out rows (n, k) were."""

    weights: Matrix
    residuals: Matrix


def fit(
    rows: Matrix,
    sensors: tuple[str, ...],
    *,
    rows_per_week: float,
    false_alarms_per_week: float,
    starts: NDArray[np.bool_] | None = None,
) -> LinearDetector:
    """Learn from rows of one asset in time order; see `component.detector.Fit`.

    Cost: n (3k)^2 for the sums, (3k)^3 for solving, five times.
    """
    rows = np.ascontiguousarray(rows, np.float64)
    _check(rows, sensors)
    known = np.isfinite(rows)
    mean, deviation = moments(rows, known)
    standard, precision = _standardise(rows, known, mean, deviation)
    usable = _rows_with_past(np.asarray(known.any(axis=1)), max(NEAR_LAGS), starts)
    judged, heard = known[usable], voices(rows, known)
    history = _ridge(standard, usable, NEAR_LAGS)
    beside = _leave_one_out(standard[usable]) if len(sensors) > 1 else _places(standard, usable)
    scales = np.stack([_scale(view.residuals, judged) for view in (history, beside)])
    oddness = _held_out_oddness((history, beside), scales, judged, heard)
    level = float(oddness.mean()) or 1.0
    limits = limits_for_budget(
        oddness / level, rows_per_week=rows_per_week, false_alarms_per_week=false_alarms_per_week
    )
    alive = np.asarray(known.any(axis=0))
    learned = (history.weights, beside.weights, precision, scales, heard, level, limits)
    return LinearDetector(LinearModel(sensors, mean, deviation, alive, *learned))


def _check(rows: Matrix, sensors: tuple[str, ...]) -> None:
    if rows.ndim != 2 or rows.shape[1] != len(sensors) or not sensors:
        raise ValueError(f"{rows.shape} values for {len(sensors)} sensors: one column a sensor is needed")
    if len(rows) < LEAST_ROWS:
        raise ValueError(f"{len(rows)} rows are too few to learn from; {LEAST_ROWS} are the least")
    if not np.isfinite(rows).any():
        raise ValueError("there is no value to learn from: every cell is missing")


def moments(rows: Matrix, present: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation of each sensor; a sensor that never moves, or never spoke, has deviation 1."""
    counts = np.maximum(present.sum(axis=0), 1)
    values = np.where(present, np.clip(rows, -HUGE, HUGE), 0.0)
    mean = values.sum(axis=0) / counts
    deviation = np.sqrt(np.where(present, (values - mean) ** 2, 0.0).sum(axis=0) / counts)
    deviation[deviation < DEAD_DEVIATION * np.maximum(np.abs(mean), 1.0)] = 1.0
    return mean, deviation


def _standardise(
    rows: Matrix, known: NDArray[np.bool_], mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> tuple[Matrix, Matrix]:
    """Return rows in standard units, holes filled as `score` fills them, and the precision matrix that fills them."""
    standard = np.clip((np.where(known, np.clip(rows, -HUGE, HUGE), mean) - mean) / deviation, -CLIP, CLIP)
    fresh = known | ~known.any(axis=0)
    count = len(mean)
    standard, ages = hold(standard, fresh, np.zeros(count), np.full(count, FOREVER, np.int64))
    precision: Matrix = np.asarray(np.linalg.inv(standard.T @ standard + STRENGTH * np.eye(count)), np.float64)
    Imputer(precision).fill(standard, ages == FOREVER, np.ones(count, bool), Allowance.full(count))
    return standard, precision


def _rows_with_past(judged: NDArray[np.bool_], depth: int, starts: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    """Return the numbers of the rows that hold a value and whose last `depth` rows follow each other without a gap."""
    numbers = np.arange(len(judged))
    begins = np.zeros(len(judged), bool) if starts is None else starts.copy()
    begins[0] = True
    usable = np.flatnonzero(judged & (numbers - np.maximum.accumulate(np.where(begins, numbers, 0)) >= depth))
    if len(usable) < LEAST_ROWS // 2:
        raise ValueError(f"only {len(usable)} rows hold values after {depth} rows without a gap: too few to learn from")
    return usable


def _stack(standard: Matrix, usable: NDArray[np.intp], lags: tuple[int, ...]) -> Matrix:
    return np.concatenate([*(standard[usable - lag] for lag in lags), np.ones((len(usable), 1))], axis=1)


def _folds(count: int) -> list[slice]:
    edges = np.linspace(0, count, FOLDS + 1).astype(int).tolist()
    return [slice(begin, end) for begin, end in pairwise(edges)]


def _penalty(size: int) -> Matrix:
    strengths = np.full(size, STRENGTH)
    strengths[-1] = INTERCEPT_STRENGTH
    return np.diag(strengths)


def _ridge(standard: Matrix, usable: NDArray[np.intp], lags: tuple[int, ...]) -> _View:
    """Predict each row from those `lags` before it. The inputs are stacked a fold at a time: they are wide.

    Weights are drawn towards a random walk (Litterman 1986) where a sensor mostly stays as it is, else towards nothing:
    so what wanders further than it did in training is still followed.
    """
    target, folds = standard[usable], _folds(len(usable))
    sums = []
    for fold in folds:
        inputs = _stack(standard, usable[fold], lags)
        sums.append((inputs.T @ inputs, inputs.T @ target[fold]))
    squares, products = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
    penalty = _penalty(len(squares))
    drawn = products + penalty @ _random_walk(squares, products)
    residuals = np.empty_like(target)
    for fold, (own_squares, own_products) in zip(folds, sums, strict=True):
        weights = np.linalg.solve(squares - own_squares + penalty, drawn - own_products)
        residuals[fold] = target[fold] - _stack(standard, usable[fold], lags) @ weights
    return _View(np.linalg.solve(squares + penalty, drawn), residuals)


def _random_walk(squares: Matrix, products: Matrix) -> Matrix:
    """Return weights by which each of k sensors that is mostly as it was a row before stays as it is."""
    count = products.shape[1]
    alike = np.diag(products) > PERSISTENT * np.diag(squares)[:count]
    weights = np.zeros_like(products)
    weights[:count][np.diag(alike)] = 1.0
    return weights


def _leave_one_out(target: Matrix) -> _View:
    """Predict each sensor from the others of its row: all regressions at once, off the inverse of one matrix."""
    inputs = np.concatenate((target, np.ones((len(target), 1))), axis=1)
    squares, penalty = inputs.T @ inputs, _penalty(inputs.shape[1])
    residuals = np.empty_like(target)
    for fold in _folds(len(target)):
        part = inputs[fold]
        residuals[fold] = target[fold] - part @ _off_diagonal(squares - part.T @ part + penalty)
    return _View(_off_diagonal(squares + penalty), residuals)


def _places(standard: Matrix, usable: NDArray[np.intp]) -> _View:
    """Compare a single sensor with where it has been."""
    tail = np.concatenate((np.zeros((WINDOW_ROWS - 1, 1)), standard))
    known, held_out = learned_places(places_of(tail, len(standard), 0)[usable], _folds(len(usable)))
    return _View(known, held_out[:, None])


def _off_diagonal(squares: Matrix) -> Matrix:
    """Return weights (k+1, k) that predict each of k columns from all others and the constant."""
    inverse = np.linalg.inv(squares)
    weights = -inverse[:, :-1] / np.diag(inverse)[:-1]
    np.fill_diagonal(weights, 0.0)
    return weights


def _scale(residuals: Matrix, judged: NDArray[np.bool_]) -> NDArray[np.float64]:
    counts = np.maximum(judged.sum(axis=0), 1)
    return np.asarray(np.sqrt(np.where(judged, residuals**2, 0.0).sum(axis=0) / counts) + SCALE_FLOOR, np.float64)


def _held_out_oddness(
    views: tuple[_View, _View], scales: Matrix, judged: NDArray[np.bool_], heard: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how odd each held-out row looked: the mean over views, then over the sensors that are there."""
    deviations = np.abs(np.stack([view.residuals for view in views], axis=1)) / scales
    adapted = adapt(deviations, judged)
    return np.asarray(shares(adapted.mean(axis=1), judged, heard).sum(axis=1), np.float64)


SPEC = DetectorSpec(NAME, fit, to_arrays, from_arrays)
