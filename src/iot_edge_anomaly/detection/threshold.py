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
"""

import numpy as np
from numpy.typing import NDArray

MEMORY_ROWS = 18
"""So many rows of pure noise make one independent smoothed score; fewer never do."""

LEAST_BLOCKS = 16
"""Fewer peaks say so little that a rare budget would ask for a threshold that nothing reaches: a dead detector."""

LEAST = 1.25
"""Scores of normal rows average 1: what looks like them is never an alarm."""

SEEN_MARGIN = 1.1
"""At least so far above all that was seen while nothing was wrong, if the budget is rarer than the training rows."""


def threshold_for_budget(null: NDArray[np.float64], *, rows_per_week: float, false_alarms_per_week: float) -> float:
    """Return the score above which alarms come as often as the budget allows, given scores of normal rows."""
    wanted = false_alarms_per_week / rows_per_week
    rows = max(min(round(_memory(null)), len(null) // LEAST_BLOCKS), 1)
    limits = [_prediction_limit(_block_maxima(null[first:], rows), wanted * rows) for first in range(rows)]
    threshold = float(np.mean(limits))
    if wanted * len(null) < 1.0:
        threshold = max(threshold, SEEN_MARGIN * float(null.max()))
    return float(max(threshold, LEAST))


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
