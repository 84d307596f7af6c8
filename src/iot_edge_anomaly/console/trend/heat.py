"""What each sensor contributed to the score, as a map of sensors and time. Pure."""

from typing import Any

import numpy as np

from iot_edge_anomaly.console.trend.parts import GRID, INK
from iot_edge_anomaly.core.stretch import Stretch

HEAT_ROW = 17
MOST_SENSORS = 12
CELLS = 120
LEAST_SHOWN = 0.04
MILLISECOND = 1_000_000

_DRAW = """(params, api) => {
    const start = api.coord([api.value(0), api.value(2)]), end = api.coord([api.value(1), api.value(2)]);
    const height = api.size([0, 1])[1] * 0.86, box = params.coordSys;
    const left = Math.max(start[0], box.x), right = Math.min(end[0], box.x + box.width);
    if (right <= left) return;
    return {
        type: 'rect',
        shape: {x: left, y: start[1] - height / 2, width: Math.max(right - left, 1), height},
        style: {fill: 'rgba(217,72,59,' + Math.min(1, api.value(3)) + ')'},
    };
}"""


def heat_sensors(rows: Stretch) -> list[str]:
    """Return the sensors that contributed most at any time, in their own order; none where nothing is known."""
    most = np.nan_to_num(rows.contributions, nan=-1.0).max(axis=0, initial=-1.0)
    chosen = sorted(np.argsort(-most, kind="stable")[:MOST_SENSORS].tolist())
    return [rows.sensors[column] for column in chosen if most[column] >= 0.0]


def heat_cells(rows: Stretch, sensors: list[str]) -> tuple[tuple[int, int, int, float], ...]:
    """Return (from ms, to ms, number of the sensor, contribution): of each stretch of time the most."""
    if len(rows.times) < 2:
        return ()
    columns = [rows.sensors.index(name) for name in sensors]
    width = max(int(rows.times[-1] - rows.times[0]) // CELLS, MILLISECOND)
    cell = rows.times // width
    starts = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1))
    most = np.fmax.reduceat(rows.contributions[:, columns], starts, axis=0)
    ends = np.append(rows.times[starts[1:]], rows.times[-1])
    since = rows.times[starts] // MILLISECOND
    until = np.minimum(ends, rows.times[starts] + 2 * width) // MILLISECOND
    i, j = np.nonzero(np.nan_to_num(most) >= LEAST_SHOWN)
    shown = np.round(most[i, j].astype(np.float64), 2)
    return tuple(zip(since[i].tolist(), until[i].tolist(), j.tolist(), shown.tolist(), strict=True))


def heat_series(rows: Stretch, sensors: list[str], grid: int) -> dict[str, Any]:
    """Return the map: the more a sensor contributed, the redder."""
    return {
        "type": "custom",
        "name": "Contribution",
        "xAxisIndex": grid,
        "yAxisIndex": grid,
        "clip": True,
        ":renderItem": _DRAW,
        "encode": {"x": [0, 1], "y": 2},
        "tooltip": {"trigger": "item", ":formatter": "item => 'contributed ' + item.value[3]"},
        "data": heat_cells(rows, sensors),
    }


def heat_axis(grid: int, titles: list[str]) -> dict[str, Any]:
    """Return an axis with a sensor a row, the first one on top."""
    return {
        "type": "category",
        "gridIndex": grid,
        "inverse": True,
        "data": titles,
        "axisLabel": {"color": INK, "fontSize": 11, "width": 84, "overflow": "truncate", "interval": 0},
        "axisLine": {"lineStyle": {"color": GRID}},
        "axisTick": {"show": False},
        "splitLine": {"show": True, "lineStyle": {"color": GRID}},
    }
