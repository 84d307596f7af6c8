"""A series and its scores, cut down to what a plot can show: a value per column of pixels, never a missed peak."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.baselines import standardised
from iot_edge_anomaly.benchmark.metrics import labelled_stretches
from iot_edge_anomaly.benchmark.suites import Series, Split

COLUMNS = 800
SENSORS = 3

Line = NDArray[np.float32]


class SensorLine(NamedTuple):
    """Lowest and highest value a column, in units of the training rows' deviation."""

    name: str
    low: Line
    high: Line


class ScoreLine(NamedTuple):
    """Highest score a column, and the threshold above which it is an alarm."""

    high: Line
    threshold: float


class Sketch(NamedTuple):
    """The scored part of a series."""

    suite: str
    series: str
    rows: int
    labelled: list[tuple[int, int]]
    """First and last row of each labelled event."""
    sensors: list[SensorLine]
    scores: Mapping[str, ScoreLine]


def sketch(series: Series, split: Split, scores: Mapping[str, ScoreLine]) -> Sketch:
    """Return the sensors that stray furthest from normal in the labelled rows, and the scores of each method."""
    test = standardised(split.train, split.test)[1]
    judged = test[split.labels] if split.labels.any() else test
    order = np.argsort(-np.abs(judged).mean(axis=0), kind="stable")[:SENSORS]
    begins = _begins(len(test))
    lines = [
        SensorLine(
            split.sensors[one],
            np.minimum.reduceat(test[:, one], begins).astype(np.float32),
            np.maximum.reduceat(test[:, one], begins).astype(np.float32),
        )
        for one in sorted(order.tolist())
    ]
    return Sketch(series.suite, series.name, len(test), labelled_stretches(split.labels), lines, scores)


def score_line(score: NDArray[np.float64], threshold: float) -> ScoreLine:
    """Return the highest score of each column."""
    return ScoreLine(np.maximum.reduceat(score, _begins(len(score))).astype(np.float32), threshold)


def _begins(rows: int) -> NDArray[np.intp]:
    return np.linspace(0, rows, min(rows, COLUMNS), endpoint=False).astype(np.intp)
