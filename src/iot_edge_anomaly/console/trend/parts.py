"""Lines, axes and headings that charts are made of, legible on light and on dark. Pure."""

from typing import Any

INK, FAINT, GRID = "#8a949e", "#9aa5b1", "rgba(128,140,152,0.22)"
ALARM = "#d9483b"
SENSOR_COLOURS = ("#4a8fc7", "#4f9d69", "#9b78c2", "#b98a3a")
FONT = 'system-ui, Roboto, "Segoe UI", sans-serif'


def heading(content: str, top: int) -> dict[str, Any]:
    """Return a line of text above a part of the chart."""
    style = {"color": INK, "fontSize": 12, "fontWeight": "normal", "fontFamily": FONT}
    return {"text": content, "left": 8, "top": top, "textStyle": style}


def time_axis(grid: int, *, labels: bool) -> dict[str, Any]:
    """Return an axis of time; all of them move together."""
    return {
        "type": "time",
        "gridIndex": grid,
        "axisLabel": {"show": labels, "color": INK, "hideOverlap": True},
        "axisLine": {"lineStyle": {"color": GRID}},
        "axisTick": {"show": False},
        "splitNumber": 5,
    }


def value_axis(grid: int) -> dict[str, Any]:
    """Return an axis of figures."""
    return {
        "type": "value",
        "gridIndex": grid,
        "axisLabel": {"color": INK},
        "splitLine": {"lineStyle": {"color": GRID}},
    }


def line(name: str, grid: int, column: str, colour: str, width: float, kind: str = "solid") -> dict[str, Any]:
    """Return a line that draws a column of the data set."""
    return {
        "name": name,
        "type": "line",
        "xAxisIndex": grid,
        "yAxisIndex": grid,
        "encode": {"x": "time", "y": column},
        "showSymbol": False,
        "connectNulls": False,
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "width": width, "type": kind},
    }
