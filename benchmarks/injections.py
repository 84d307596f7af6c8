"""Faults put into one sensor of rows in which nothing is wrong. Pure and seeded.

Rows are n by k, in units of each sensor's own deviation over the training rows, from its mean there. What a fault's
size depends on what the sensor does (stuck, swap, gain) counts where it moves the readings by one deviation at least.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]

SPIKE_DEVIATIONS = 8.0
DRIFT_DEVIATIONS = 4.0
NOISE_DEVIATIONS = 2.0
GAIN = 3.0
LEAST_MOVED = 1.0
"""Root mean square, in deviations, by which a fault moves the readings of its sensor: less is no fault to speak of."""


class Place(NamedTuple):
    """Where a fault is: from row `begin` on to the last, at a sensor; `other` is the one it is swapped with."""

    begin: int
    sensor: int
    other: int


Fault = Callable[[Rows, Place, np.random.Generator], Rows]


def spike(rows: Rows, place: Place, random: np.random.Generator) -> Rows:
    """One reading is 8 deviations off, up or down."""
    changed = rows.copy()
    changed[place.begin, place.sensor] += SPIKE_DEVIATIONS * random.choice((-1.0, 1.0))
    return changed


def drift(rows: Rows, place: Place, random: np.random.Generator) -> Rows:
    """Readings go off evenly, up or down, to 4 deviations at the last row."""
    changed = rows.copy()
    count = len(rows) - place.begin
    slope = DRIFT_DEVIATIONS * random.choice((-1.0, 1.0))
    changed[place.begin :, place.sensor] += slope * np.arange(1, count + 1) / count
    return changed


def stuck(rows: Rows, place: Place, _random: np.random.Generator) -> Rows:
    """Readings stay at the last one before the fault."""
    changed = rows.copy()
    changed[place.begin :, place.sensor] = rows[place.begin - 1, place.sensor]
    return changed


def swap(rows: Rows, place: Place, _random: np.random.Generator) -> Rows:
    """Each of two sensors shows what the other reads, in its own scale."""
    changed = rows.copy()
    changed[place.begin :, [place.sensor, place.other]] = rows[place.begin :, [place.other, place.sensor]]
    return changed


def noise(rows: Rows, place: Place, random: np.random.Generator) -> Rows:
    """Readings get Gaussian noise of 2 deviations."""
    changed = rows.copy()
    changed[place.begin :, place.sensor] += NOISE_DEVIATIONS * random.normal(size=len(rows) - place.begin)
    return changed


def gain(rows: Rows, place: Place, _random: np.random.Generator) -> Rows:
    """Readings are three times as far from their mean."""
    changed = rows.copy()
    changed[place.begin :, place.sensor] *= GAIN
    return changed


FAULTS: dict[str, Fault] = {
    "spike": spike,
    "drift": drift,
    "stuck": stuck,
    "swap": swap,
    "noise": noise,
    "gain": gain,
}
LASTS_A_ROW = ("spike",)


def moved(before: Rows, after: Rows, begin: int, sensor: int) -> float:
    """Return by how many deviations, root mean square, a sensor's readings from row `begin` on were moved.

    >>> moved(np.zeros((4, 1)), np.array([[9.0], [0], [3], [4]]), 2, 0) == (25 / 2) ** 0.5
    True
    """
    gap = after[begin:, sensor] - before[begin:, sensor]
    return float(np.sqrt(np.mean(gap**2))) if np.isfinite(gap).all() else 0.0


def put(kind: str, rows: Rows, place: Place, random: np.random.Generator) -> Rows | None:
    """Return rows with a fault; None where it would not move the readings of its sensor (of each of two) enough.

    A spike is one reading and always moves enough.
    """
    changed = FAULTS[kind](rows, place, random)
    ends = place.begin + 1 if kind in LASTS_A_ROW else len(rows)
    sensors = (place.sensor, place.other) if kind == "swap" else (place.sensor,)
    least = min(moved(rows[:ends], changed[:ends], place.begin, sensor) for sensor in sensors)
    return changed if least >= LEAST_MOVED else None
