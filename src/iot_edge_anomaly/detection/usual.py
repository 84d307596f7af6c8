"""What a model learned from, as far as it takes to tell later that a sensor has moved away from it.

Values of a plant depend on those before them, and mostly on hours and shifts more than on the last row. So nothing is
tested against a distribution of single values, which would call every swing a change (Gama et al. 2014, section 3.2,
on detectors that assume independence). What is kept is how far averages over a block of rows wandered while learning,
widened the more, the fewer stretches that tell anything new the lesson had (the integrated correlation time by Geyer's
initial positive sequence, 1992, cut at the first zero). Of a sensor whose lesson had too few of them nothing is kept.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix

BLOCK = 64
"""Rows that are averaged before they are looked at."""

LEAST_KNOWN = 32
"""A block with fewer values of a sensor says nothing of it."""

LEAST_STRETCHES = 5.0
"""Fewer stretches that tell anything new say nothing of what is usual: a slope has 3, a random walk mostly 3 to 5."""

EVERY = 8
"""Averages over a block are looked at in every so many rows of a lesson."""

LEVEL, SPREAD, ERROR = range(3)
"""What is watched of a sensor: the average of its values, how far they lie from it, how far from what was expected."""

CHANNELS = 3
_NAMES = ("low", "high", "margin", "mean")
_PREFIX = "usual_"


class Usual(NamedTuple):
    """Averages over a block, (3, k) of k sensors, in the sensors' own units; rows are LEVEL, SPREAD and ERROR.

    `low` and `high`: how far they wandered while learning, but for the largest tenth of spreads; `margin`:
    how much further counts as drift, infinite where nothing is watched; `mean`: over all that was learned from.
    """

    low: Matrix
    high: Matrix
    margin: Matrix
    mean: Matrix


def learn(rows: Matrix, errors: Matrix) -> Usual:
    """Return what is usual in rows (n, k) to learn from, NaN where a value is missing.

    `errors` (m, k): how far values were from what a model expected that had not learned from them. Deterministic. Cost:
    some n k log n.
    """
    centre, unit = _moments(rows)
    moves = unit > _least(centre)
    known = np.isfinite(rows)
    with np.errstate(over="ignore"):
        standard = np.clip(np.where(known, rows, centre) - centre, -64 * unit, 64 * unit) / unit
    told = np.isfinite(errors)
    wrong = np.clip(np.where(told, errors, 0.0), 0.0, _HUGE)
    wrong = np.minimum(wrong, 64 * wrong.sum(axis=0) / np.maximum(told.sum(axis=0), 1)) / unit
    averages = (*_levels_and_spreads(standard, known), _known_averages(wrong, told))
    single = (standard, np.abs(standard), wrong)
    parts = [_wandered(*each) for each in zip(averages, single, OUTERMOST, strict=True)]
    low, high, mean, stretches = (np.stack(column) for column in zip(*parts, strict=True))
    stretches[ERROR] = np.minimum(stretches[ERROR], np.median(stretches[LEVEL, moves]) if moves.any() else 0.0)
    margin = np.where(moves, _margins(low, high, mean, stretches, _range(standard, known)), np.inf)
    shift = np.stack((centre, np.zeros_like(centre), np.zeros_like(centre)))
    with np.errstate(over="ignore"):
        usual = Usual(low * unit + shift, high * unit + shift, margin * unit, mean * unit + shift)
    dead = ~(np.isfinite(usual.margin) & (usual.margin > 0.0) & np.isfinite(usual.low) & np.isfinite(usual.high))
    return Usual(*(np.where(dead, nothing, part) for nothing, part in zip((0, 0, np.inf, 0), usual, strict=True)))


def _levels_and_spreads(standard: Matrix, known: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
    level, square = _known_averages(standard, known), _known_averages(standard**2, known)
    return level, np.sqrt(np.maximum(square - level**2, 0.0))


def _margins(low: Matrix, high: Matrix, mean: Matrix, stretches: Matrix, ranges: NDArray[np.float64]) -> Matrix:
    """Return by how much averages (3, k), in standard units, may go beyond low and high; infinite: not watched."""
    enough = stretches >= LEAST_STRETCHES
    weight = WIDER + (np.array(FEW)[:, None] / np.maximum(stretches, 1.0)) ** 2
    margin = weight * (high - low)
    margin[LEVEL] = np.minimum(margin[LEVEL], WIDEST * ranges - (high[LEVEL] - low[LEVEL]) / 2)
    floors = (
        np.full_like(ranges, LEVEL_FLOOR),
        SPREAD_FLOOR * mean[SPREAD],
        np.maximum(ERROR_FLOOR * mean[ERROR], ERROR_LEAST),
    )
    return np.where(enough, np.maximum(margin, np.stack(floors)), np.inf)


LEVEL_FLOOR = 0.5
"""A level that moved by less than half a deviation of the sensor's values has not moved."""

SPREAD_FLOOR = 0.35
"""A spread may differ by a third more than it did."""

ERROR_FLOOR = 0.5
"""A model may err by half more than it did."""

ERROR_LEAST = 0.02
"""An error of so small a part of a sensor's deviation is none."""

WIDER = 0.25
FEW = (12.0, 5.0, 5.0)
"""What is usual is widened by a quarter of how far it wandered, and by all of it again if it showed so many stretches
(of level, spread, error); by four times that where they are half as many: then their number is not sure either. A level
needs more of them than the others: it may be a random walk, which looks settled now and then.
"""

OUTERMOST = (0.0, 0.1, 0.0)
"""So large a share of the largest averages (of level, spread, error) is left out: spreads of a single block scatter,
and what is compared with them is an average of many. Levels and errors may go again where they were: all count.
"""

WIDEST = 1.0
"""A level has moved that is farther from its middle than single values ever were apart, however little is known."""


def _wandered(averages: Matrix, rows: Matrix, outermost: float) -> tuple[NDArray[np.float64], ...]:
    """Return of averages (n, k) over rows the least, the largest, the mean, and how many stretches tell of them."""
    columns = [
        _wandered_one(column[np.isfinite(column)], row, outermost)
        for column, row in zip(averages.T, rows.T, strict=True)
    ]
    return tuple(np.array(part) for part in zip(*columns, strict=True))


def _wandered_one(
    averages: NDArray[np.float64], rows: NDArray[np.float64], outermost: float
) -> tuple[float, float, float, float]:
    if not len(averages):
        return 0.0, 0.0, 0.0, 0.0
    of_averages = len(averages) * EVERY / max(_memory(averages) * EVERY, BLOCK)
    of_rows = len(rows) / (BLOCK + _memory(rows))
    stretches = float(np.sqrt(of_averages * of_rows))  # the first sees what noise hides, the second is surer
    return float(averages.min()), float(np.quantile(averages, 1.0 - outermost)), float(averages.mean()), stretches


def _memory(series: NDArray[np.float64]) -> float:
    """Return how many entries make one that tells anything new: 1 + 2 sum of correlations, while they are positive."""
    centred = series - series.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(series))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(series)]
    if correlation[0] <= 0.0:
        return 1.0
    positive = np.logical_and.accumulate(correlation > 0.0)
    return 2.0 * float(correlation[positive].sum() / correlation[0]) - 1.0


def _moments(rows: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centre and unit of each sensor; the unit of one that never moves is next to nothing, and not watched."""
    known = np.isfinite(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    values = np.clip(np.where(known, rows, 0.0), -_HUGE, _HUGE)
    centre = values.sum(axis=0) / counts
    deviation = np.sqrt(np.where(known, (values - centre) ** 2, 0.0).sum(axis=0) / counts)
    return centre, np.maximum(deviation, _least(centre))


_HUGE = 1e150


def _range(standard: Matrix, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the range of single values of each sensor, without the outermost hundredth at either end."""
    columns = (column[there] for column, there in zip(standard.T, known.T, strict=True))
    return np.array([np.subtract(*np.quantile(c, (0.99, 0.01))) if len(c) else 0.0 for c in columns])


def _least(centre: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1e-9 * np.maximum(np.abs(centre), 1e-290), np.float64)


def _known_averages(values: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """Return the averages over blocks of rows (n, k); NaN where too few of a block are known."""
    count = _sums(known.astype(np.float64))
    return np.where(count >= LEAST_KNOWN, _sums(np.where(known, values, 0.0)) / np.maximum(count, 1.0), np.nan)


def _sums(values: Matrix) -> Matrix:
    """Return the sums over each block of rows (n, k) that begins at every eighth row; none where there is no block."""
    if len(values) < BLOCK:
        return np.empty((0, values.shape[1]))
    sums = np.concatenate((np.zeros((1, values.shape[1])), np.add.accumulate(values, axis=0)))
    return np.asarray((sums[BLOCK:] - sums[:-BLOCK])[::EVERY], np.float64)


def to_arrays(usual: Usual) -> dict[str, NDArray[np.float64]]:
    """Write as arrays for a model file, 96 bytes a sensor."""
    return {_PREFIX + name: getattr(usual, name) for name in _NAMES}


def take_usual(arrays: dict[str, NDArray[np.generic]], sensors: int) -> Usual | None:
    """Take what is usual out of the arrays of a model file; None where none is. Raises ValueError if it is broken."""
    found = {name: arrays.pop(_PREFIX + name) for name in _NAMES if _PREFIX + name in arrays}
    if not found:
        return None
    if len(found) != len(_NAMES) or any(a.shape != (CHANNELS, sensors) or a.dtype != "<f8" for a in found.values()):
        raise ValueError(f"what is usual is told by {', '.join(_NAMES)}, {CHANNELS} by {sensors} numbers each")
    usual = Usual(*(found[name].astype(np.float64) for name in _NAMES))
    finite = np.isfinite(usual.low) & np.isfinite(usual.high) & np.isfinite(usual.mean)
    if not (finite & (usual.low <= usual.high) & (usual.margin > 0.0)).all():
        raise ValueError("what is usual lies between a low and a high number, and is widened by some margin")
    return usual
