"""From a false-alarm budget to a threshold, on scores that are correlated in time.

Exceedances of a high level come in clusters; a cluster is one alarm. Cluster maxima above the level are modelled by an
exponential tail (the Gumbel domain of extreme value theory, Coles 2001, ch. 4-5), which carries the rate on to budgets
far rarer than the training rows could show.
"""

import numpy as np
from numpy.typing import NDArray

LEVEL_QUANTILE = 0.9
RUN_ROWS = 30
"""Exceedances this close belong to one cluster: the reach of the slowest average."""

LEAST = 1.25
"""Scores of normal rows average 1: what looks like them is never an alarm."""

SEEN_MARGIN = 1.1
"""At least so far above all that was seen while nothing was wrong, if the budget is rarer than the training rows."""


def threshold_for_budget(null: NDArray[np.float64], *, rows_per_week: float, false_alarms_per_week: float) -> float:
    """Return the score above which alarms come as often as the budget allows, given scores of normal rows."""
    wanted = false_alarms_per_week / rows_per_week
    level = float(np.quantile(null, LEVEL_QUANTILE))
    peaks = _cluster_peaks(null, level)
    excess = float(np.mean(peaks - level)) if len(peaks) else 0.0
    rate = max(len(peaks), 1) / len(null)
    extrapolated = level + excess * max(np.log(rate / wanted), 0.0)
    if wanted * len(null) < 1.0:
        extrapolated = max(extrapolated, SEEN_MARGIN * float(null.max()))
    return float(max(extrapolated, LEAST))


def _cluster_peaks(null: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    above = np.flatnonzero(null > level)
    if not len(above):
        return np.empty(0)
    clusters = np.split(above, np.flatnonzero(np.diff(above) > RUN_ROWS) + 1)
    return np.array([null[cluster].max() for cluster in clusters])
