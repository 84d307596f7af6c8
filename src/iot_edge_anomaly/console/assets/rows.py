"""Rows of an asset for a chart: history up to where it ends, what is in memory after that. Pure."""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.stretch import Stretch, joined
from iot_edge_anomaly.core.thinning import thinned

LEAST_POINTS = 4


def without_seam(past: Stretch | None, live: Stretch | None) -> Stretch | None:
    """Join history and memory, which overlap: each row once. Sensors that are there now come first."""
    if past is None or live is None or not len(past.times):
        return live if past is None or not len(past.times) else past
    newer = live.at(np.flatnonzero(live.times > past.times[-1]))
    return _in_order(joined((past, newer)), live.sensors)


def with_detail(coarse: Stretch, fine: Stretch | None) -> Stretch:
    """Put a stretch that was read more finely in the place of the same time of a coarse one."""
    if fine is None or not len(fine.times):
        return coarse
    before = coarse.at(np.flatnonzero(coarse.times < fine.times[0]))
    after = coarse.at(np.flatnonzero(coarse.times > fine.times[-1]))
    return _in_order(joined((before, fine, after)), coarse.sensors)


def between(rows: Stretch, since_ns: int, until_ns: int) -> Stretch:
    """Return the rows of a time, both ends included."""
    first, last = np.searchsorted(rows.times, since_ns), np.searchsorted(rows.times, until_ns, "right")
    return rows.at(np.arange(first, last))


def thin_live(rows: Stretch, most_points: int) -> Stretch:
    """Return at most about so many rows: of each stretch of time the oddest one, and the newest.

    Stretches are aligned to the clock, so that a chart that moves on does not flicker.
    """
    if len(rows.times) <= most_points:
        return rows
    stretch = rows.times // max(int(rows.times[-1] - rows.times[0]) // most_points, 1)
    order = np.lexsort((rows.score, stretch))
    last_of_stretch = np.append(np.flatnonzero(np.diff(stretch[order])), len(order) - 1)
    return rows.at(np.union1d(order[last_of_stretch], [len(rows.times) - 1]))


def thin_for(rows: Stretch, sensors: tuple[str, ...], most_points: int) -> Stretch:
    """Return at most so many rows, a chart of which looks the same for score and these sensors (M4)."""
    columns = [rows.sensors.index(sensor) for sensor in sensors]
    return rows.at(thinned(rows.score, rows.values[:, columns], max(most_points, LEAST_POINTS)))


def usual_distance(rows: Stretch, sensor: str) -> float:
    """Return how far nineteen in twenty calm rows lie from what was expected; NaN where there are too few."""
    column = rows.sensors.index(sensor)
    distance = np.abs(rows.values[:, column] - rows.expected[:, column])
    calm: NDArray[np.float64] = distance[(rows.score <= 1.0) & (rows.quality == 0) & np.isfinite(distance)]
    return float(np.quantile(calm, 0.95)) if len(calm) >= 20 else float("nan")


def _in_order(rows: Stretch, sensors: tuple[str, ...]) -> Stretch:
    wanted = (*sensors, *(name for name in rows.sensors if name not in sensors))
    columns = [rows.sensors.index(name) for name in wanted]
    return rows._replace(
        sensors=wanted,
        values=rows.values[:, columns],
        expected=rows.expected[:, columns],
        contributions=rows.contributions[:, columns],
    )
