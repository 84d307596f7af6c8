"""The chart of one asset: its score above, one of its sensors below. Pure: rows in, ECharts options out."""

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.views.trend import TrendView

SPAN_SECONDS = 120
LEAST_SECONDS = 20
POINTS = 240
MILLISECOND = 1_000_000
INK, FAINT, GRID = "#8a949e", "#9aa5b1", "rgba(128,140,152,0.22)"
ACTUAL, ALARM = "#4a8fc7", "#d9483b"

FONT = 'system-ui, Roboto, "Segoe UI", sans-serif'
STEPS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0)
"""Distances of lines on the score axis."""

Series = list[list[float | None]]


def thin(times: NDArray[np.int64], score: NDArray[np.float64], points: int = POINTS) -> NDArray[np.intp]:
    """Return the numbers of at most about `points` rows: of each stretch of time the oddest one, and the newest.

    Stretches are aligned to the clock, so that a chart that moves on does not flicker.
    """
    if len(times) <= points:
        return np.arange(len(times))
    stretch = times // max(int(times[-1] - times[0]) // points, 1)
    order = np.lexsort((score, stretch))
    last_of_stretch = np.append(np.flatnonzero(np.diff(stretch[order])), len(order) - 1)
    return np.union1d(order[last_of_stretch], [len(times) - 1])


def options(title: str, unit: str) -> dict[str, Any]:
    """Return the chart without its rows."""
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "axisPointer": {"link": [{"xAxisIndex": "all"}], "lineStyle": {"color": INK}},
        "tooltip": {"trigger": "axis", "confine": True, "order": "seriesAsc", "transitionDuration": 0},
        "grid": [
            {"left": 58, "right": 16, "top": 30, "height": 110},
            {"left": 58, "right": 16, "top": 190, "bottom": 26},
        ],
        "title": [
            _heading("Score: above 1 is an alarm", 2),
            _heading(f"{_with_unit(title, unit)} (dashed: expected)", 162),
        ],
        "xAxis": [_time_axis(0, labels=False), _time_axis(1, labels=True)],
        "yAxis": [
            {**_value_axis(0), "min": 0},
            {**_value_axis(1), "scale": True, "splitNumber": 4},
        ],
        "series": [
            {
                **_line("Score", 0, INK, 1.5),
                "areaStyle": {"color": INK, "opacity": 0.12},
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "label": {"show": False},
                    "lineStyle": {"color": ALARM, "type": "dashed", "width": 1},
                    "data": [{"yAxis": 1}],
                },
            },
            {**_line("Score above 1", 0, ALARM, 2.5), "areaStyle": {"color": ALARM, "opacity": 0.18}},
            {**_line("Actual", 1, ACTUAL, 2), "z": 3},
            {**_line("Expected", 1, FAINT, 1.5, "dashed"), "z": 2},
        ],
    }


def fill(chart: dict[str, Any], trend: TrendView, sensor: str) -> None:
    """Put the newest rows into a chart that `options` made."""
    rows, column = thin(trend.times, trend.score), trend.sensors.index(sensor)
    stamps = trend.times[rows] // MILLISECOND
    score = trend.score[rows]
    columns = (score, np.where(_touching(score > 1.0), score, np.nan), trend.values[rows, column])
    for series, values in zip(chart["series"], (*columns, trend.expected[rows, column]), strict=True):
        series["data"] = _points(stamps, values)
    chart["yAxis"][0] |= _score_scale(float(score.max()))
    newest = int(trend.times[-1] // MILLISECOND)
    for axis in chart["xAxis"]:
        axis["min"], axis["max"] = _start(int(stamps[0]), newest), newest


def _start(first: int, newest: int) -> int:
    """Return where the time axis starts, ms: at the first row while there are few, never further back than the span."""
    return min(max(first, newest - SPAN_SECONDS * 1000), newest - LEAST_SECONDS * 1000)


def _score_scale(highest: float) -> dict[str, float]:
    """Return an axis that holds the threshold and every score, with three to five lines on it."""
    top = max(1.2, 1.05 * highest)
    step = next((step for step in STEPS if top / step <= 5), top)
    return {"interval": step, "max": step * ceil(top / step)}


def _touching(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows above and those right beside them, so that the red line meets the grey one."""
    padded = np.pad(above, 1)
    return np.asarray(above | padded[:-2] | padded[2:], np.bool_)


def _points(stamps: NDArray[np.int64], values: NDArray[np.float64]) -> Series:
    shown = [float(f"{value:.5g}") if np.isfinite(value) else None for value in values.tolist()]
    return [[stamp, value] for stamp, value in zip(stamps.tolist(), shown, strict=True)]


def _with_unit(title: str, unit: str) -> str:
    return f"{title}, {unit}" if unit else title


def _heading(content: str, top: int) -> dict[str, Any]:
    return {
        "text": content,
        "left": 8,
        "top": top,
        "textStyle": {"color": INK, "fontSize": 12, "fontWeight": "normal", "fontFamily": FONT},
    }


def _time_axis(grid: int, *, labels: bool) -> dict[str, Any]:
    return {
        "type": "time",
        "gridIndex": grid,
        "axisLabel": {"show": labels, "color": INK, "hideOverlap": True, "formatter": "{HH}:{mm}:{ss}"},
        "axisLine": {"lineStyle": {"color": GRID}},
        "axisTick": {"show": False},
        "splitNumber": 4,
    }


def _value_axis(grid: int) -> dict[str, Any]:
    return {
        "type": "value",
        "gridIndex": grid,
        "axisLabel": {"color": INK},
        "splitLine": {"lineStyle": {"color": GRID}},
    }


def _line(name: str, grid: int, color: str, width: float, kind: str = "solid") -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "xAxisIndex": grid,
        "yAxisIndex": grid,
        "showSymbol": False,
        "connectNulls": False,
        "itemStyle": {"color": color},
        "lineStyle": {"color": color, "width": width, "type": kind},
        "data": [],
    }
