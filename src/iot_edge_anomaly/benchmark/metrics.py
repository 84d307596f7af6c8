"""How well scores rank anomalies: VUS-PR and AUC-PR.

VUS-PR: Paparrizos et al., *Volume Under the Surface* (VLDB 2022): the area under the precision-recall curve, averaged
over all buffer widths 0..L around each labelled stretch. The semantics are those of `RangeAUC_volume_opt` of the
package TSB-AD 1.5 (250 thresholds); here each width costs one sorted sum over the rows near labels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Labels = NDArray[np.bool_]

THRESHOLDS = 250
DEFAULT_WIDTH = 125


class _Levels(NamedTuple):
    """Thresholds from high to low: the number of the first that each row reaches, and how many rows reach each."""

    first: NDArray[np.intp]
    predicted: Vector


def vus_pr(labels: Labels, score: Vector, width: int) -> float:
    """Return the volume under the precision-recall surface. Raises ValueError if no row is labelled.

    >>> round(vus_pr(np.array([0, 0, 1, 1, 0, 0], bool), np.array([0.0, 0, 9, 8, 0, 0]), 0), 3)
    1.0
    """
    stretches = labelled_stretches(labels)
    if not stretches:
        raise ValueError("no row is labelled anomalous")
    levels = _levels(score)
    inside = np.cumsum(np.bincount(levels.first[labels], minlength=THRESHOLDS)).astype(np.float64)
    near, distance = _neighbours(labels, stretches, width // 2)
    areas = [
        _area(labels, levels, inside, _reach(near, distance, one, levels), _existence(stretches, one // 2, levels))
        for one in range(width + 1)
    ]
    return float(np.mean(areas))


def auc_pr(labels: Labels, score: Vector) -> float:
    """Return average precision: the step-wise area under the precision-recall curve."""
    if not labels.any():
        raise ValueError("no row is labelled anomalous")
    order = np.argsort(-score, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = np.cumsum(labels[order])[last_of_ties]
    gained = np.diff(found, prepend=0) / labels.sum()
    return float((gained * found / (last_of_ties + 1)).sum())


def period(values: Vector) -> int:
    """Return the lag (6 to 303) of the highest peak of the autocorrelation of the first 20,000 values, else 125."""
    start = values[:20_000] - values[:20_000].mean()
    size = 1 << (2 * len(start)).bit_length()
    spectrum = np.fft.rfft(start, size)
    correlation = np.fft.irfft(spectrum * spectrum.conj(), size)[: min(401, len(start))]
    if correlation[0] <= 1e-12 * len(start):
        return DEFAULT_WIDTH
    tail = correlation[3:] / correlation[0]
    peaks = np.flatnonzero((tail[1:-1] > tail[:-2]) & (tail[1:-1] > tail[2:])) + 1
    best = int(peaks[np.argmax(tail[peaks])]) if len(peaks) else 0
    return best + 3 if 3 <= best <= 300 else DEFAULT_WIDTH


def labelled_stretches(labels: Labels) -> list[tuple[int, int]]:
    """Return (first, last) row of each labelled stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], labels, [False])).astype(np.int8)))
    return [(int(begin), int(end) - 1) for begin, end in edges.reshape(-1, 2)]


def _levels(score: Vector) -> _Levels:
    falling = -np.sort(-score)
    thresholds = falling[np.linspace(0, len(score) - 1, THRESHOLDS).astype(int)]
    first = np.searchsorted(-thresholds, -score, side="left")
    return _Levels(first, np.cumsum(np.bincount(first, minlength=THRESHOLDS)).astype(np.float64))


def _neighbours(
    labels: Labels, stretches: list[tuple[int, int]], most: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs of an unlabelled row and its distance to a stretch, up to `most`."""
    steps = np.arange(1, most + 1)
    rows = np.concatenate([part for begin, end in stretches for part in (begin - steps, end + steps)])
    distance = np.tile(steps, 2 * len(stretches))
    valid = (rows >= 0) & (rows < len(labels))
    valid[valid] = ~labels[rows[valid]]
    return rows[valid], distance[valid]


def _reach(near: NDArray[np.intp], distance: NDArray[np.intp], width: int, levels: _Levels) -> Vector:
    """Return, for each threshold, the buffer weight of the unlabelled rows that reach it."""
    within = distance <= width // 2
    if not within.any():
        return np.zeros(THRESHOLDS)
    rows, place = np.unique(near[within], return_inverse=True)
    weight = np.minimum(np.bincount(place, np.sqrt(1 - distance[within] / width)), 1.0)
    return np.cumsum(np.bincount(levels.first[rows], weight, minlength=THRESHOLDS))


def _existence(stretches: list[tuple[int, int]], buffer: int, levels: _Levels) -> Vector:
    """Return, for each threshold, the share of stretches (with buffers, merged where they touch) that reach it."""
    merged = [list(stretches[0])]
    for begin, end in stretches[1:]:
        if merged[-1][1] + buffer < begin - buffer:
            merged.append([begin, end])
        else:
            merged[-1][1] = end
    earliest = [levels.first[max(begin - buffer, 0) : end + buffer + 1].min() for begin, end in merged]
    return np.cumsum(np.bincount(earliest, minlength=THRESHOLDS)) / len(merged)


def _area(labels: Labels, levels: _Levels, inside: Vector, buffered: Vector, existence: Vector) -> float:
    positives = inside + buffered
    recall = np.minimum(positives / (labels.sum() + buffered / 2), 1.0) * existence
    precision = positives / levels.predicted
    return float((np.diff(recall, prepend=0.0) * precision).sum())
