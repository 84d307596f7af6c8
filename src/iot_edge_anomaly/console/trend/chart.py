"""The chart of an asset: score, sensors and what each contributed, one above the other. Pure: rows in, options out.

What is drawn are tuples: NiceGUI watches every list and dictionary of the options for changes, one by one, and with
lists of points that was half of what the console of twenty viewers did.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.feedback import CALIBRATED
from iot_edge_anomaly.console.assets.rows import usual_distance
from iot_edge_anomaly.console.trend.heat import HEAT_ROW, heat_axis, heat_sensors, heat_series
from iot_edge_anomaly.console.trend.parts import (
    ALARM,
    FAINT,
    FONT,
    INK,
    SENSOR_COLOURS,
    heading,
    line,
    time_axis,
    value_axis,
)
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, Priority, RowQuality
from iot_edge_anomaly.core.stretch import Stretch

MILLISECOND = 1_000_000
MOST_MARKS = 300
GAPS = 40
"""A hole of so many parts of the span is drawn as a hole."""

STEPS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0)
"""Distances of lines on the score axis."""

LIMITS = (("HH", "high_high_limit"), ("H", "high_limit"), ("L", "low_limit"), ("LL", "low_low_limit"))
"""Limits as charts and tables call them, and as the settings of a sensor do; the highest first."""

LEFT, RIGHT, TOP, SPACE = 96, 16, 28, 44
SCORE_HEIGHT, SENSOR_HEIGHT, SLIDER = 104, 130, 58
_AREA_COLOURS = {Priority.HIGH: ALARM, Priority.MEDIUM: "#c9772b", Priority.LOW: "#a98a1f"}
_MARKS = {
    RowQuality.CORRECTED: ("Corrected", "#c9772b"),
    RowQuality.MISSING: ("Missing", FAINT),
    RowQuality.REJECTED: ("Rejected: no reading was usable", ALARM),
    RowQuality.NOT_JUDGED: ("Not judged: not in this operating state, or not yet", FAINT),
}


class Look(NamedTuple):
    """A sensor on the chart: its title with the unit, and its limits (`HH` to `LL`)."""

    sensor: str
    title: str
    limits: tuple[tuple[str, float], ...] = ()


class Area(NamedTuple):
    """A time in which an alarm was open."""

    since_ns: int
    until_ns: int
    title: str
    priority: Priority


class Shown(NamedTuple):
    """What the chart shows: rows of a time, some sensors, the alarms of that time, titles of all sensors.

    `level`: what the score has to pass now for an alarm.
    """

    rows: Stretch
    looks: tuple[Look, ...]
    since_ns: int
    until_ns: int
    areas: tuple[Area, ...] = ()
    titles: dict[str, str] = {}  # noqa: RUF012 - of a NamedTuple, and never changed
    level: float = CALIBRATED


def height(sensors: int, contributors: int) -> int:
    """Return how high the chart is, in pixels."""
    heat = SPACE + HEAT_ROW * contributors if contributors else 0
    return TOP + SCORE_HEIGHT + sensors * (SPACE + SENSOR_HEIGHT) + heat + SLIDER


def chart(shown: Shown) -> dict[str, Any]:
    """Return the options of the chart, with its rows."""
    heat, rows = heat_sensors(shown.rows), shown.rows
    count = len(shown.looks)
    axes = range(count + 1 + bool(heat))
    tops = [TOP + place * SPACE + (SCORE_HEIGHT + (place - 1) * SENSOR_HEIGHT) * (place > 0) for place in axes]
    heights = [SCORE_HEIGHT, *[SENSOR_HEIGHT] * count, HEAT_ROW * len(heat)]
    titles = [
        f"Score: above {shown.level:.3g} is an alarm",
        *(f"{look.title} (dashed: expected)" for look in shown.looks),
    ]
    titles += ["What each sensor contributed to the score"] if heat else []
    return {
        "animation": False,
        "textStyle": {"fontFamily": FONT},
        "axisPointer": {"link": [{"xAxisIndex": "all"}], "lineStyle": {"color": INK}},
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "order": "seriesAsc",
            "transitionDuration": 0,
            ":valueFormatter": "v => v === null || v === undefined || isNaN(v) ? '–' : +(+v).toPrecision(4)",
        },
        "toolbox": {"show": False, "feature": {"dataZoom": {"yAxisIndex": False}}},
        "dataZoom": _zooms(list(axes)),
        "grid": [{"left": LEFT, "right": RIGHT, "top": tops[i], "height": heights[i]} for i in axes],
        "title": [heading(title, tops[i] - 26) for i, title in enumerate(titles)],
        "xAxis": [
            {**time_axis(i, labels=i == axes[-1]), "min": _stamp(shown.since_ns), "max": _stamp(shown.until_ns)}
            for i in axes
        ],
        "yAxis": [
            {**value_axis(0), "min": 0, **_score_scale(float(np.nanmax(rows.score, initial=0.0)), shown.level)},
            *({**value_axis(1 + i), "scale": True, "splitNumber": 3} for i in range(count)),
            *([heat_axis(count + 1, [shown.titles.get(name, name) for name in heat])] if heat else []),
        ],
        "dataset": {"source": _columns(_with_holes(rows, shown), shown.looks, shown.level)},
        "series": [*_series(shown), *([heat_series(shown.rows, heat, count + 1)] if heat else [])],
    }


def _zooms(axes: list[int]) -> list[dict[str, Any]]:
    both = {"xAxisIndex": axes, "filterMode": "none"}
    inside = {**both, "type": "inside", "zoomOnMouseWheel": "ctrl", "moveOnMouseMove": False, "moveOnMouseWheel": False}
    slider = {
        **both,
        "type": "slider",
        "height": 24,
        "bottom": 4,
        "left": LEFT,
        "right": RIGHT,
        "brushSelect": False,
        "showDataShadow": False,
        "textStyle": {"color": INK, "fontSize": 11},
        "borderColor": "rgba(128,140,152,0.35)",
        "fillerColor": "rgba(128,140,152,0.16)",
        "handleStyle": {"color": FAINT},
    }
    return [inside, slider]


def _series(shown: Shown) -> list[dict[str, Any]]:
    score = {**line("Score", 0, "score", INK, 1.5), "areaStyle": {"color": INK, "opacity": 0.12}}
    threshold = {"yAxis": shown.level, "lineStyle": {"color": ALARM}}
    made = [
        {**score, "markLine": _mark_line([threshold]), "markArea": _mark_area(shown, labels=True)},
        _quiet({**line("Above the threshold", 0, "odd", ALARM, 2.5), "areaStyle": {"color": ALARM, "opacity": 0.18}}),
        _quality_marks(shown.rows),
    ]
    for place, look in enumerate(shown.looks):
        colour, grid = SENSOR_COLOURS[place % len(SENSOR_COLOURS)], place + 1
        limits = [{"yAxis": value, "name": kind, "label": _limit_label()} for kind, value in look.limits]
        band = {"stack": f"band{place}", "stackStrategy": "all", "lineStyle": {"opacity": 0}, "z": 1}
        made += [
            _quiet({**line("", grid, f"low{place}", FAINT, 0), **band}),
            _quiet({**line("", grid, f"band{place}", FAINT, 0), **band, "areaStyle": {"color": FAINT, "opacity": 0.2}}),
            {
                **line(look.title, grid, f"actual{place}", colour, 2),
                "z": 3,
                "markLine": _mark_line(limits),
                "markArea": _mark_area(shown, labels=False),
            },
            {**line("expected", grid, f"expected{place}", FAINT, 1.5, "dashed"), "z": 2},
        ]
    return made


def _columns(rows: Stretch, looks: Sequence[Look], level: float) -> dict[str, tuple[float | None, ...]]:
    """Return what is drawn, column by column."""
    columns: dict[str, tuple[float | None, ...]] = {
        "time": tuple((rows.times // MILLISECOND).tolist()),
        "score": _figures(rows.score),
        "odd": _figures(np.where(_touching(rows.score > level), rows.score, np.nan)),
    }
    for place, look in enumerate(looks):
        column, usual = rows.sensors.index(look.sensor), usual_distance(rows, look.sensor)
        expected = rows.expected[:, column].astype(np.float64)
        columns |= {
            f"actual{place}": _figures(rows.values[:, column]),
            f"expected{place}": _figures(expected),
            f"low{place}": _figures(expected - usual),
            f"band{place}": _figures(np.where(np.isfinite(expected), 2 * usual, np.nan)),
        }
    return columns


def _with_holes(rows: Stretch, shown: Shown) -> Stretch:
    """Put a row without anything into each hole, so that no line is drawn across it."""
    widest = (shown.until_ns - shown.since_ns) // GAPS
    holes = np.flatnonzero(np.diff(rows.times) > widest) + 1
    if len(rows.times) < 2 * GAPS or not len(holes):
        return rows
    return rows._replace(
        times=np.insert(rows.times, holes, rows.times[holes - 1] + MILLISECOND),
        score=np.insert(rows.score, holes, np.nan),
        values=np.insert(rows.values, holes, np.nan, axis=0),
        expected=np.insert(rows.expected, holes, np.nan, axis=0),
        quality=np.insert(rows.quality, holes, 0),
    )


def _quality_marks(rows: Stretch) -> dict[str, Any]:
    places = np.flatnonzero(rows.quality)
    chosen = places[:: max(ceil(len(places) / MOST_MARKS), 1)]
    data = []
    for place in chosen.tolist():
        name, colour = _MARKS[ROW_QUALITIES[rows.quality[place]]]
        data.append({"value": [_stamp(int(rows.times[place])), 0], "name": name, "itemStyle": {"color": colour}})
    return {
        "type": "scatter",
        "name": "Quality",
        "xAxisIndex": 0,
        "yAxisIndex": 0,
        "symbol": "rect",
        "symbolSize": [4, 14],
        "symbolOffset": [0, -7],
        "tooltip": {"trigger": "item", "formatter": "{b}"},
        "data": tuple(data),
    }


def _mark_area(shown: Shown, *, labels: bool) -> dict[str, Any]:
    return {
        "silent": True,
        "label": {"show": labels, "color": INK, "fontSize": 11, "position": "insideTop"},
        "data": [
            [
                {
                    "xAxis": _stamp(max(area.since_ns, shown.since_ns)),
                    "name": area.title,
                    "itemStyle": {"color": _AREA_COLOURS[area.priority], "opacity": 0.11},
                },
                {"xAxis": _stamp(min(area.until_ns, shown.until_ns))},
            ]
            for area in shown.areas
            if area.since_ns < shown.until_ns
        ],
    }


def _mark_line(data: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "silent": True,
        "symbol": "none",
        "label": {"show": False},
        "lineStyle": {"color": ALARM, "type": "dashed", "width": 1},
        "data": list(data),
    }


def _limit_label() -> dict[str, Any]:
    return {"show": True, "formatter": "{b}", "position": "insideEndTop", "color": ALARM, "fontSize": 11}


def _quiet(series: dict[str, Any]) -> dict[str, Any]:
    """Leave a series out of the tooltip."""
    return {**series, "tooltip": {"show": False}, "silent": True}


def _stamp(time_ns: int) -> int:
    return time_ns // MILLISECOND


def _score_scale(highest: float, level: float) -> dict[str, float]:
    """Return an axis that holds the threshold and every score, with three to five lines on it."""
    top = max(1.2 * level, 1.05 * highest)
    step = next((step for step in STEPS if top / step <= 5), top)
    return {"interval": step, "max": step * ceil(top / step)}


def _touching(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows above and those right beside them, so that the red line meets the grey one."""
    padded = np.pad(above, 1)
    return np.asarray(above | padded[:-2] | padded[2:], np.bool_)


def _figures(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    """Return numbers with the digits that a chart can show; None where there is none."""
    there = np.isfinite(values)
    largest = float(np.abs(values[there]).max(initial=0.0))
    digits = 5 - ceil(np.log10(largest)) if largest > 0 else 0
    figures = np.round(values, digits).astype(object)
    figures[~there] = None
    return tuple(figures.tolist())
