"""How much a sensor has to say in whether a row is odd.

Commands, flags, and what never moved while it was learned are *quiet*: how odd a new value of theirs is, nobody knows.
Together they have at most as much to say as the sensors that measure something.

And one that deviates more and more loses its voice, slowly. A machine that is moved to another duty, or a sensor that
ages, deviates from what was learned for weeks: each row would be as odd as the last. So each view of each sensor
carries a running mean of its own deviations (rate `RATE`, what is farther out than three times the mean counts as
three), and a deviation is divided by the square root of how many times the usual that mean is. A sensor alone in it is
divided by that root once more: what all sensors share may well be the machine. The root makes that a ramp never falls
silent; and rows in alarm move no mean, so that what is wrong for days stays an alarm for days.

Means are brought up to date once a block of rows, at the place that a row's number since the start gives it: so the
result does not depend on how rows were cut into calls, and costs little.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.blocks import ROWS, block_slices

RATE = 0.002
"""Weight of the newest row: after 500 rows two thirds of the mean are new."""

USUAL = 0.8
"""Mean absolute deviation in units of its root mean square: of noise that is normal, about."""

FARTHEST = 3.0

QUIET_VALUES, QUIET_SHARE = 2, 0.99
"""A sensor is quiet that showed so many different values, or fewer, in this share of its readings.

Not in all of them: a fault that was learned from is no measurement.
"""


def voices(rows: Matrix, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what each of k sensors has to say (k,), 1 or less, by the rows (n, k) it was learned from."""
    columns = zip(rows.T, known.T, strict=True)
    quiet = np.array([_is_quiet(column[there]) for column, there in columns])
    measured, others = int((~quiet).sum()), int(quiet.sum())
    return np.where(quiet, min(measured / others, 1.0), 1.0) if measured and others else np.ones(len(quiet))


def _is_quiet(values: NDArray[np.float64]) -> bool:
    often = np.sort(np.unique(values, return_counts=True)[1])[-QUIET_VALUES:]
    return bool(often.sum() >= QUIET_SHARE * len(values))


def shares(oddness: Matrix, known: NDArray[np.bool_], heard: NDArray[np.float64]) -> Matrix:
    """Return what each sensor adds (..., k) to the mean over those that are there, each with its voice (k,)."""
    weights = np.where(known, heard, 0.0)
    found: Matrix = oddness * weights / np.maximum(weights.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
    return found


class Means(NamedTuple):
    """Running means of absolute deviations (..., views, k), and what the rows of the block so far add to them.

    `voices` follow from the means: by what deviations are to be multiplied.
    """

    now: Matrix
    pending: Matrix
    voices: Matrix

    @classmethod
    def of(cls, now: Matrix, pending: Matrix) -> "Means":
        """Return means with the voices that follow from them."""
        grown = np.maximum(now / USUAL, 1.0)
        flat = grown.reshape(*grown.shape[:-2], -1)
        middle = flat.shape[-1] // 2
        shared = np.partition(flat, middle, axis=-1)[..., middle, None, None]
        return cls(now, pending, 1.0 / np.sqrt(grown * np.maximum(grown / shared, 1.0)))

    @classmethod
    def usual(cls, *shape: int) -> "Means":
        """Return the means before the first row."""
        return cls(np.full(shape, USUAL), np.zeros(shape), np.ones(shape))

    def after(self, deviations: Matrix, counts: NDArray[np.bool_], *, ends_block: bool) -> "Means":
        """Return the means after rows (n, ..., views, k) of one block; `counts` (n, ..., k): which cells move them."""
        steps = np.where(counts[..., None, :], np.minimum(deviations, FARTHEST * self.now) - self.now, 0.0)
        steps[0] += self.pending
        pending = np.add.accumulate(steps)[-1] if len(steps) > 1 else steps[0]
        after = self._replace(pending=pending)
        return after.ended() if ends_block else after

    def ended(self) -> "Means":
        """Return the means with the block as it is ended here: another begins."""
        return Means.of(self.now + RATE * self.pending, np.zeros_like(self.pending))


def adapt(deviations: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Return deviations (n, views, k) of rows in which nothing was wrong, each with the voice it has by then."""
    means, adapted = Means.usual(*deviations.shape[1:]), np.empty_like(deviations)
    for rows in block_slices(0, len(deviations)):
        adapted[rows] = deviations[rows] * means.voices
        means = means.after(deviations[rows], known[rows], ends_block=rows.stop % ROWS == 0)
    return adapted
