"""Tell a fault of one sensor from a fault of the machine, by predicting sensors from each other at one row.

A faulty sensor is odd against the others, and these agree with each other once it is left out. A machine at fault
changes how several sensors go together: whichever is left out, others stay odd. So sensors are left out, and the others
predicted from each other: all regressions off one precision matrix (Lauritzen 1996, ch. 5), as Dunia, Qin, Edgar &
McAvoy (1996), *Identification of faulty sensors using principal component analysis*, reconstruct one sensor after the
other.

One row says little where faults are small or sensors hardly related. And wear or a leak that has just begun may show in
one sensor alone, as a fault of that sensor would; but not as far out at once. So only what is clear is claimed. The
limits were chosen on one half of the events of `benchmarks.fault_origin`, and on other faults than it puts in.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.outcomes import Origin

LEAST_SENSORS = 3
WEAK = 0.9
"""Of a standard deviation: a sensor that the others predict no better than this is not predicted by them."""

CLEARLY_ODD, AGREE, DISAGREE = 16.0, 5.0, 6.0
"""In units of what is usually left unexplained: a sensor at fault, others that agree, others that do not."""


class Oddness(NamedTuple):
    """How far sensors are from what the others predict, in units of what those usually leave unexplained.

    `suspect`: the one that is suspected; `weakness`: its unit, in standard deviations. `left`: the farthest other, once
    the suspect is left out; `left_otherwise`: the farthest, once that other one is left out instead.
    """

    suspect: float
    weakness: float
    left: float
    left_otherwise: float


class _Known(NamedTuple):
    """The m sensors that are known at a row: their values in standard units, and their precision among themselves.

    `scale` (m,): by the root of its precision, what the others usually leave unexplained of a sensor. `heard` (m,):
    what each has to say.
    """

    values: NDArray[np.float64]
    precision: Matrix
    scale: NDArray[np.float64]
    heard: NDArray[np.float64]


def oddness(
    standard: NDArray[np.float64],
    known: NDArray[np.bool_],
    suspect: int,
    precision: Matrix,
    scales: NDArray[np.float64],
    heard: NDArray[np.float64],
) -> Oddness:
    """Leave the suspect out of a row (k,) in standard units; look at it and at the others that are known, two at least.

    `scales` (k,): what all others leave unexplained of a sensor. Where some of them are left out it is more, by as much
    as the precision (k, k) is less. Cost: k^2, and m^2 k for m sensors that are unknown.
    """
    scale = scales * np.sqrt(np.diag(precision))
    there = _Known(standard[known], _marginal(precision, known), scale[known], heard[known])
    place = int(known[:suspect].sum())
    root = float(np.sqrt(there.precision[place, place]))
    away = abs(float(there.precision[place] @ there.values)) / (root * float(there.scale[place]))
    left = _left(there, place)
    left_otherwise = _left(there, int(left.argmax()))
    return Oddness(away, float(there.scale[place]) / root, float(left.max()), float(left_otherwise.max()))


def likelier(found: Oddness) -> Origin:
    """Say what is likelier; nothing where it is not clear.

    >>> likelier(Oddness(20.0, 0.2, 1.5, 8.0)).name, likelier(Oddness(20.0, 0.2, 7.0, 8.0)).name
    ('SENSOR', 'MACHINE')
    >>> likelier(Oddness(20.0, 0.95, 1.5, 8.0)).name, likelier(Oddness(2.0, 0.2, 9.0, 2.0)).name
    ('UNTOLD', 'UNTOLD')
    """
    if min(found.left, found.left_otherwise) > DISAGREE:
        return Origin.MACHINE
    is_clear = found.suspect > CLEARLY_ODD and found.left < AGREE
    return Origin.SENSOR if is_clear and found.weakness < WEAK else Origin.UNTOLD


def _marginal(precision: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Return the precision of those that are known among themselves."""
    if known.all():
        return precision
    across = precision[np.ix_(~known, known)]
    hidden = np.linalg.solve(precision[np.ix_(~known, ~known)], across)
    return np.asarray(precision[np.ix_(known, known)] - across.T @ hidden, np.float64)


def _left(there: _Known, place: int) -> NDArray[np.float64]:
    """Return how odd each sensor (m,) is once one is left out, each as much as it has to say; 0 of that one."""
    rest = np.arange(len(there.values)) != place
    across = there.precision[rest, place]
    without = there.precision[np.ix_(rest, rest)] - np.outer(across, across) / there.precision[place, place]
    found = np.zeros(len(there.values))
    away = np.abs(without @ there.values[rest]) / (np.sqrt(np.diag(without)) * there.scale[rest])
    found[rest] = away * there.heard[rest]
    return found
