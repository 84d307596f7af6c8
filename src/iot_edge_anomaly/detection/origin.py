"""Tell a fault of one sensor from a fault of the machine, by predicting sensors from each other at one row.

A faulty sensor is odd against the others, and these agree with each other once it is taken out. A machine at fault
changes how several sensors go together: whichever is taken out, others stay odd. So the suspect is left out, and every
other sensor is predicted from the rest: all regressions off one precision matrix (Lauritzen 1996, ch. 5), as sensors
are reconstructed one after the other by Dunia, Qin, Edgar & McAvoy (1996), *Identification of faulty sensors using
principal component analysis*. One row says little where faults are small or sensors hardly related: then nothing is
claimed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.outcomes import Origin

LEAST_SENSORS = 3
WEAK = 0.9
"""Of a standard deviation: a sensor that the others predict no better than this is not predicted by them."""

CLEARLY_ODD = 3.0
AGREE = 1.6
DISAGREE = 3.0
"""In units of what is usually left unexplained; the mean of what is usual is 0.8."""


class Oddness(NamedTuple):
    """How far sensors are from what the others predict, in units of what those usually leave unexplained.

    `suspect`: the one that is suspected; `weakness`: its unit, in standard deviations. `others` (m,): of the others,
    predicted without it; `heard` (m,): what each has to say.
    """

    suspect: float
    weakness: float
    others: NDArray[np.float64]
    heard: NDArray[np.float64]


def oddness(
    standard: NDArray[np.float64],
    known: NDArray[np.bool_],
    suspect: int,
    precision: Matrix,
    scales: NDArray[np.float64],
    heard: NDArray[np.float64],
) -> Oddness:
    """Take the suspect out of a row (k,) in standard units; look at it and at the others that are known.

    `scales` (k,): what all others leave unexplained of a sensor. Without some of them it is more, by as much as the
    precision (k, k) is less. Cost: k^2, and m^2 k for m sensors that are unknown.
    """
    kept = np.flatnonzero(known)
    place = int(np.searchsorted(kept, suspect))
    within = _marginal(precision, known)
    units = scales[kept] * np.sqrt(np.diag(precision)[kept] / np.diag(within))
    away = np.abs(within @ standard[kept]) / np.diag(within) / units
    rest = np.arange(len(kept)) != place
    across = within[rest, place]
    without = within[np.ix_(rest, rest)] - np.outer(across, across) / within[place, place]
    others = kept[rest]
    units_without = scales[others] * np.sqrt(np.diag(precision)[others] / np.diag(without))
    left = np.abs(without @ standard[others]) / np.diag(without) / units_without
    return Oddness(float(away[place]), float(units[place]), left, heard[others])


def likelier(found: Oddness) -> Origin:
    """Say what is likelier; nothing where the sensors do not tell.

    >>> others, heard = np.array([0.5, 1.0, 0.9]), np.ones(3)
    >>> likelier(Oddness(9.0, 0.2, others, heard)).name, likelier(Oddness(9.0, 0.2, others + 4.0, heard)).name
    ('SENSOR', 'MACHINE')
    >>> likelier(Oddness(1.0, 0.2, others, heard)).name, likelier(Oddness(9.0, 0.95, others, heard)).name
    ('UNTOLD', 'UNTOLD')
    """
    if len(found.others) + 1 < LEAST_SENSORS or found.weakness > WEAK or found.heard.sum() <= 0.0:
        return Origin.UNTOLD
    mean = float(found.others @ found.heard / found.heard.sum())
    if mean > DISAGREE:
        return Origin.MACHINE
    return Origin.SENSOR if mean < AGREE and found.suspect > CLEARLY_ODD else Origin.UNTOLD


def _marginal(precision: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Return the precision of those that are known among themselves."""
    if known.all():
        return precision
    across = precision[np.ix_(~known, known)]
    hidden = np.linalg.solve(precision[np.ix_(~known, ~known)], across)
    return np.asarray(precision[np.ix_(known, known)] - across.T @ hidden, np.float64)
