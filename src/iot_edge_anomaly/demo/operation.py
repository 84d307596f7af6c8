"""What operators, consumers and the weather do to the station: functions of the seed and the row number alone.

All of it swings with periods of three to seven minutes of the plant, so that a model which saw the first hour has seen
what there is to see.
"""

from functools import lru_cache
from math import cos, pi, sin, tanh
from typing import NamedTuple

import numpy as np

USUAL_DEMAND = 150.0
ROWS_PER_DRAW = 16
"""Consumers come and go: so many rows apart their number is drawn anew; between draws it changes smoothly."""


class Orders(NamedTuple):
    """What the station is asked for: demand m³/h, level m, speed trims, valve openings, heads m, temperatures °C."""

    demand: float
    level_setpoint: float
    trims: tuple[float, float]
    openings: tuple[float, float]
    supply_head: float
    water_temperature: float
    air_temperature: float


def orders(row: int, seed: int) -> Orders:
    """Return what holds in this row."""
    return Orders(
        USUAL_DEMAND * (1.0 + 0.30 * _stepping(row, 44, 0.9) + 0.03 * _consumers(row, seed)),
        3.0 + 0.2 * _stepping(row, 58, 0.6),
        (0.020 * _stepping(row, 53, 0.1), 0.020 * _stepping(row, 61, 0.55)),
        (0.88 + 0.06 * _stepping(row, 45, 0.2), 0.88 + 0.06 * _stepping(row, 41, 0.7)),
        9.5 + 0.6 * _wave(row, 51, 0.1) + 0.2 * _wave(row, 33, 0.4),
        12.0 + 0.3 * _wave(row, 55, 0.2) + 0.1 * _wave(row, 37, 0.8),
        18.0 + 0.9 * _wave(row, 63, 0.7) + 0.3 * _wave(row, 39, 0.1),
    )


def _wave(row: int, period: float, phase: float) -> float:
    return sin(2.0 * pi * (row / period + phase))


def _stepping(row: int, period: float, phase: float) -> float:
    """Go to and fro between -1 and 1, resting at each: a set-point that is ramped, not thrown."""
    return tanh(2.0 * _wave(row, period, phase)) / tanh(2.0)


def _consumers(row: int, seed: int) -> float:
    """Return a smooth random course, of deviation 1 where it is drawn."""
    draw, into = divmod(row, ROWS_PER_DRAW)
    share = 0.5 - 0.5 * cos(pi * into / ROWS_PER_DRAW)
    return (1.0 - share) * _drawn(draw, seed) + share * _drawn(draw + 1, seed)


@lru_cache(64)
def _drawn(draw: int, seed: int) -> float:
    return float(np.random.default_rng((seed, draw)).standard_normal())
