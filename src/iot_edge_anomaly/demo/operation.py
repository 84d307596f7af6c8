"""What operators, consumers and the weather do to the station: functions of the row number alone.

All of it swings with periods of three to six seconds of the clock, so that a model which saw the first 25 seconds has
seen what there is to see.
"""

from math import pi, sin, tanh
from typing import NamedTuple

USUAL_DEMAND = 190.0


class Orders(NamedTuple):
    """What the station is asked for: demand m³/h, level m, speed trims, valve openings, heads m, temperatures °C."""

    demand: float
    level_setpoint: float
    trims: tuple[float, float]
    openings: tuple[float, float]
    supply_head: float
    water_temperature: float
    air_temperature: float


def orders(row: int) -> Orders:
    """Return what holds in this row."""
    return Orders(
        USUAL_DEMAND * (1.0 + 0.08 * _wave(row, 48, 0.3) + 0.02 * _wave(row, 31, 0.0)),
        3.0 + 0.13 * _stepping(row, 58, 0.6),
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
