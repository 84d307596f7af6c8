"""From a false-alarm budget to a threshold, on scores that are correlated in time and may be few.

The scores are cut into blocks as long as they remember: as many rows as make one independent sample. The upper half of
the block maxima is modelled by an exponential tail (the Gumbel domain of extreme value theory, Coles 2001, ch. 3-5),
which carries the rate on to budgets far rarer than the training rows could show.

That tail is known only as well as its few peaks tell. So the threshold is not read off the tail that fits best but is
a prediction limit (Hahn & Meeker 1991, ch. 4): it is passed with the wanted probability over all that a stretch of so
many rows may happen to show. Of m peaks, the next one passes the (n+1)-th highest with probability (n+1)/(m+1); and,
where excesses over it are exponential with sum S, passes it by t S with probability (1+t)^-n, whatever their scale.
Fewer blocks give a higher threshold; many give the one that fits best. Where blocks begin is chance: all beginnings are
tried, and the mean is taken (sliding blocks: Bücher & Segers 2018).

A budget so frequent that the training rows hold many alarms of it needs no tail: alarms are counted, as a person would
see them, and the threshold is the lower one of both.
"""

import numpy as np
from numpy.typing import NDArray

MEMORY_ROWS = 18
"""So many rows of pure noise make one independent smoothed score; fewer never do."""

LEAST_BLOCKS = 16
"""Fewer peaks say so little that a rare budget would ask for a threshold that nothing reaches: a dead detector."""

LEAST = 1.1
"""Scores of normal rows average 1: what looks like them is never an alarm, however many are allowed."""

SEEN_MARGIN = 1.1
"""At least so far above all that was seen while nothing was wrong, if the budget is rarer than the training rows."""

ON_ROWS, OFF_ROWS = 3, 10
"""So many rows above the threshold raise an alarm, and so many below end it, as in the alarm stage."""

ENOUGH_ALARMS = 8.0
CANDIDATES = 60


def threshold_for_budget(null: NDArray[np.float64], *, rows_per_week: float, false_alarms_per_week: float) -> float:
    """Return the score above which alarms come as often as the budget allows, given scores of normal rows."""
    wanted = false_alarms_per_week / rows_per_week
    rows = max(min(round(_memory(null)), len(null) // LEAST_BLOCKS), 1)
    limits = [_prediction_limit(_block_maxima(null[first:], rows), wanted * rows) for first in range(rows)]
    threshold = float(np.mean(limits))
    expected = wanted * len(null)
    if expected < 1.0:
        threshold = max(threshold, SEEN_MARGIN * float(null.max()))
    elif expected >= ENOUGH_ALARMS:
        threshold = min(threshold, _passed_at_most(null, expected))
    return float(max(threshold, LEAST))


def is_expected(rows: int, *, rows_per_week: float, false_alarms_per_week: float) -> bool:
    """Tell whether so many rows are to hold a false alarm, by the budget."""
    return rows * false_alarms_per_week >= rows_per_week


def alarms_above(null: NDArray[np.float64], threshold: float) -> int:
    """Return how many alarms scores in time order would raise.

    >>> alarms_above(np.array([2, 2, 2, 0, 2, *[0] * 11, 2, 2, *[0] * 11, 2, 2, 2.0]), 1.0)
    2
    """
    edges = np.flatnonzero(np.diff(null > threshold, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    raises = ends - starts >= ON_ROWS
    # A run is part of the alarm before it if one stands: each gap since that was raised is short.
    apart = np.concatenate(([True], starts[1:] - ends[:-1] >= OFF_ROWS))[: len(starts)]
    group = np.cumsum(apart)
    return len(np.unique(group[raises]))


def _passed_at_most(null: NDArray[np.float64], alarms: float) -> float:
    """Return the lowest of some thresholds down to which none raises more alarms than these."""
    candidates = np.unique(np.quantile(null, 1.0 - np.geomspace(0.5, 1.0 / len(null), CANDIDATES)))[::-1]
    lowest = float(null.max())
    for candidate in candidates.tolist():
        if alarms_above(null, candidate) > alarms:
            break
        lowest = candidate
    return lowest


def _prediction_limit(peaks: NDArray[np.float64], probability: float) -> float:
    """Return what the next peak passes with this probability; `peaks` in falling order, two at least."""
    upper = len(peaks) // 2
    level = float(peaks[upper])
    passes_level = (upper + 1) / (len(peaks) + 1)
    spread = float((peaks[:upper] - level).sum())
    return level + spread * float(np.expm1(max(np.log(passes_level / probability), 0.0) / upper))


def _block_maxima(null: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    blocks = len(null) // rows
    return np.sort(null[: blocks * rows].reshape(blocks, rows).max(axis=1))[::-1]


def _memory(null: NDArray[np.float64]) -> float:
    """Return how many rows make one independent sample: 1 + 2 sum of correlations, while they are positive."""
    centred = null - null.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(null))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(null)]
    if correlation[0] <= 0.0:
        return MEMORY_ROWS
    positive = np.logical_and.accumulate(correlation > 0.0)
    return max(2.0 * float(correlation[positive].sum() / correlation[0]) - 1.0, MEMORY_ROWS)
