"""Detectors to compare with, each as one function from (training rows, rows to score) to scores."""

from collections.abc import Callable, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.errors import ConfigError

Baseline = Callable[[Matrix, Matrix], NDArray[np.float64]]

WINDOW = 100
LEAST_DEVIATION = 1e-3
"""In units of the training deviation: a sensor that stood still must not divide by nothing."""

SEED = 0


def moving_zscore(train: Matrix, test: Matrix) -> NDArray[np.float64]:
    """Return the root mean square, over sensors, of the deviation from the last 100 rows in units of their spread."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation < 1e-9] = 1.0
    before = train[-WINDOW:]
    rows = (np.concatenate((before, test)) - mean) / deviation
    sums, squares = (
        np.concatenate((np.zeros((1, rows.shape[1])), np.cumsum(part, axis=0))) for part in (rows, rows**2)
    )
    ends = np.arange(len(before), len(rows))
    begins = ends - len(before)
    centre = (sums[ends] - sums[begins]) / len(before)
    spread = np.sqrt(np.maximum((squares[ends] - squares[begins]) / len(before) - centre**2, 0.0))
    distance = (rows[ends] - centre) / np.maximum(spread, LEAST_DEVIATION)
    return np.asarray(np.sqrt((distance**2).mean(axis=1)), np.float64)


def pyod_iforest(train: Matrix, test: Matrix) -> NDArray[np.float64]:
    """Return the score of PyOD's isolation forest (Liu et al. 2008), its defaults, seeded."""
    try:
        forest = import_module("pyod.models.iforest")
    except ImportError as error:
        raise ConfigError("pyod-iforest needs the extra `bench`: pip install 'iot-edge-anomaly[bench]'") from error
    model = forest.IForest(random_state=SEED, n_jobs=1)
    model.fit(train)
    return np.asarray(model.decision_function(test), np.float64)


BASELINES: Mapping[str, Baseline] = {"moving-zscore": moving_zscore, "pyod-iforest": pyod_iforest}


def without_holes(rows: Matrix) -> Matrix:
    """Fill forward, then with 0: baselines take no missing values."""
    known = np.isfinite(rows)
    latest = np.maximum.accumulate(np.where(known, np.arange(len(rows))[:, None], 0), axis=0)
    filled: Matrix = np.take_along_axis(np.where(known, rows, np.nan), latest, axis=0)
    return np.asarray(np.nan_to_num(filled, nan=0.0), np.float64)
