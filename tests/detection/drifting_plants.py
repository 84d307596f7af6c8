"""Plants that stay as they are, and what can happen to them; rows of a value a sensor."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.detection.drift import Drift, Watch, Yardstick, follow
from iot_edge_anomaly.detection.usual import learn

NS = 1_000_000_000
Rows = NDArray[np.float64]


def inert(rows: int, random: np.random.Generator, inertia: float, sensors: int = 4) -> Rows:
    """AR(1) sensors of deviation 1, as they are long after they were switched on."""
    noise = random.normal(size=(rows, sensors))
    values = noise * np.sqrt(1.0 - inertia**2)
    values[0] = noise[0]
    for row in range(1, rows):
        values[row] += inertia * values[row - 1]
    return values


def bounded_walk(rows: int, random: np.random.Generator, width: float = 80.0, sensors: int = 4) -> Rows:
    """A random walk between two walls: a tank that is filled and drawn from."""
    walk = np.cumsum(random.normal(size=(rows, sensors)), axis=0) + random.uniform(0, width, sensors)
    return np.abs(walk % (2 * width) - width)


def seasonal(rows: int, random: np.random.Generator, period: int = 240, sensors: int = 4) -> Rows:
    """A swing of one period, at another phase for each sensor, and noise."""
    phase = random.uniform(0, 2 * np.pi, sensors)
    swing = np.sin(2 * np.pi * np.arange(rows)[:, None] / period + phase)
    return swing + 0.2 * random.normal(size=(rows, sensors))


PLANTS: dict[str, Callable[[int, np.random.Generator], Rows]] = {
    "white": lambda rows, random: random.normal(size=(rows, 4)),
    "inert-.9": lambda rows, random: inert(rows, random, 0.9),
    "inert-.99": lambda rows, random: inert(rows, random, 0.99),
    "heavy": lambda rows, random: random.standard_t(3, size=(rows, 4)),
    "seasonal": seasonal,
    "slow-season": lambda rows, random: seasonal(rows, random, 1_500),
    "narrow-walk": lambda rows, random: bounded_walk(rows, random, 15.0),
    "wide-walk": bounded_walk,
}


def watched(lesson: Rows, later: Rows, errors: Rows | None = None, later_errors: Rows | None = None) -> list[Drift]:
    """Return what is told of rows, one a second, after a lesson."""
    nothing = np.full(lesson.shape, np.nan)
    yardstick = Yardstick(learn(lesson, nothing if errors is None else errors))
    times = np.arange(len(later)) * NS
    wrong = np.full(later.shape, np.nan) if later_errors is None else later_errors
    return follow(yardstick, Watch.begin(lesson.shape[1]), times, later, wrong)[1]
