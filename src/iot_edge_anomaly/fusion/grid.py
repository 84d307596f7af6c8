"""Readings of many rates onto one grid, by event time.

A cell [T, T + grid) becomes a row once the watermark has passed its end. Of several readings of a sensor in a cell the
latest by event time counts, of equal times the one that arrived last. Only cells that hold a reading become rows; a
sensor that has none in a cell holds its last value for a while and is missing after that.
"""

import numpy as np
from numpy.typing import NDArray


def close_cells(
    time_ns: NDArray[np.int64],
    sensor: NDArray[np.int64],
    value: NDArray[np.float64],
    *,
    grid_ns: int,
    sensors: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return cell starts (n,) in order and values (n, k), NaN where a cell has no reading of a sensor.

    Readings are in order of arrival.
    """
    cell = time_ns // grid_ns
    order = np.lexsort((time_ns, sensor, cell))
    cell, column = cell[order], sensor[order]
    last = np.ones(len(order), bool)
    last[:-1] = (cell[1:] != cell[:-1]) | (column[1:] != column[:-1])
    chosen = order[last]
    cells, row = np.unique(cell[last], return_inverse=True)
    values = np.full((len(cells), sensors), np.nan)
    values[row, column[last]] = value[chosen]
    return cells * grid_ns, values


def hold_last(
    values: NDArray[np.float64],
    time_ns: NDArray[np.int64],
    last_value: NDArray[np.float64],
    last_ns: NDArray[np.int64],
    hold_ns: int | NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return values with short holes filled by the last value, and last value and its time after all rows.

    `hold_ns`: how long a hole may be that is filled, of all sensors or (k,) of each.
    """
    fresh = np.isfinite(values)
    if fresh.all():
        return values, values[-1].copy(), np.full(values.shape[1], time_ns[-1])
    stacked = np.concatenate((last_value[None, :], values))
    times = np.concatenate((np.zeros(1, np.int64), time_ns))
    index = np.where(np.concatenate((np.ones((1, values.shape[1]), bool), fresh)), np.arange(len(stacked))[:, None], 0)
    np.maximum.accumulate(index, axis=0, out=index)
    held = np.take_along_axis(stacked, index, axis=0)[1:]
    held_ns = np.where(index == 0, last_ns, times[index])[1:]
    filled = np.where(time_ns[:, None] - held_ns <= hold_ns, held, np.nan)
    return filled, held[-1].copy(), held_ns[-1].copy()


def watermark(latest_ns: list[int], lateness_ns: int) -> int:
    """Return the event time before which nothing is awaited: the least over the sources that are active."""
    return min(latest_ns) - lateness_ns
