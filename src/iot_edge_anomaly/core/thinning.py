"""Which rows a chart needs so that it looks like a chart of all of them."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LEAST_STRETCHES = 8


def thinned(score: NDArray[np.float64], values: NDArray[np.float64], most_points: int) -> NDArray[np.intp]:
    """Choose at most `most_points` (4 or more) of n rows so that a chart of them looks like a chart of all.

    Each stretch of rows keeps its first and last one and the extremes of the score and the sensors (M4: Jugel et al.,
    VLDB 2014); where there are too many sensors for that, of the first ones.
    """
    count = len(score)
    if count <= most_points:
        return np.arange(count)
    most_columns = max((most_points // LEAST_STRETCHES - 2) // 2, 1)
    columns = np.concatenate((score[:, None], values[:, : most_columns - 1]), axis=1)
    stretches = max(most_points // (2 * columns.shape[1] + 2), 1)
    edges = np.linspace(0, count, stretches + 1).astype(np.intp)
    chosen = [edges[:-1], edges[1:] - 1]
    for start, stop in pairwise(edges.tolist()):
        part = columns[start:stop]
        chosen.append(start + np.argmax(np.where(np.isnan(part), -np.inf, part), axis=0))
        chosen.append(start + np.argmin(np.where(np.isnan(part), np.inf, part), axis=0))
    return np.unique(np.concatenate(chosen))
