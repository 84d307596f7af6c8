"""Draw rows of the past as SVG: the score in one panel, sensors with what was expected in others, alarms shaded."""

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.backtest.times import NS, Times

WIDTH, LEFT, RIGHT = 900, 64, 8
SCORE_HEIGHT, SENSOR_HEIGHT, AXIS_HEIGHT = 110, 120, 20
MARGIN = 18
COLUMNS = 800
GAP_COLUMNS = 4
"""A line is broken where so many columns have no row."""

MOST_SCORE = 6.0
"""A score is drawn up to here: one wild row would flatten all others."""

MOST_TICKS = 7
_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800]
_STEPS += [1209600, 2592000, 7776000, 31536000]

Column = NDArray[np.float64]
Mark = tuple[int, int]
"""From when to when, ns."""


class View(NamedTuple):
    """What a drawing shows: from one time to another, with alarms and known events marked."""

    since_ns: int
    until_ns: int
    alarms: Sequence[Mark] = ()
    events: Sequence[Mark] = ()

    def across(self, at_ns: float) -> float:
        """Return how far from the left edge a time is drawn."""
        share = (at_ns - self.since_ns) / max(self.until_ns - self.since_ns, 1)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)


class Lines(NamedTuple):
    """Lowest and highest value of each column of pixels that has any: where, how low, how high."""

    at_ns: Column
    low: Column
    high: Column


def drawn(time_ns: NDArray[np.int64], values: Column, view: View) -> Lines:
    """Cut a series down to what a drawing can show, never without a peak."""
    there = np.isfinite(values)
    times, values = time_ns[there], values[there]
    if not len(times):
        return Lines(np.empty(0), np.empty(0), np.empty(0))
    column = (times - view.since_ns) / max(view.until_ns - view.since_ns, 1) * (COLUMNS - 1)
    begins = np.flatnonzero(np.diff(column.astype(np.int64), prepend=-1))
    return Lines(times[begins].astype(float), np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins))


def score_panel(time_ns: NDArray[np.int64], score: Column, view: View) -> str:
    """Return the score over time, and the threshold that it is an alarm above."""
    lines = drawn(time_ns, np.minimum(score, MOST_SCORE), view)
    top = max(float(lines.high.max(initial=0.0)), 1.2)
    cut = f" (drawn up to {MOST_SCORE:g})" if (score > MOST_SCORE).any() else ""
    parts = [
        _marks(view, SCORE_HEIGHT),
        _scale(0.0, top, SCORE_HEIGHT),
        _line(lines.at_ns, lines.high, (0.0, top, SCORE_HEIGHT), view, "var(--score)"),
        _level(1.0, (0.0, top, SCORE_HEIGHT)),
        f"<text x='{LEFT + 4}' y='12'>score{cut}; above 1 it is odd</text>",
    ]
    return _svg(parts, SCORE_HEIGHT, "score over time")


class Drawn(NamedTuple):
    """A sensor to draw: how it is spoken of, which colour it has, and its limits."""

    title: str
    unit: str
    colour: int = 0
    limits: Sequence[float] = ()


def sensor_panel(sensor: Drawn, time_ns: NDArray[np.int64], values: Column, expected: Column, view: View) -> str:
    """Return the values of a sensor over time, what was expected, and the limits that they come near to."""
    lines, wanted = drawn(time_ns, values, view), drawn(time_ns, expected, view)
    bottom, top = _range(lines, wanted)
    stroke = f"var(--line{sensor.colour})"
    box = (bottom, top, SENSOR_HEIGHT)
    said = f"{sensor.title}, {sensor.unit}" if sensor.unit else sensor.title
    parts = [
        _marks(view, SENSOR_HEIGHT),
        _scale(bottom, top, SENSOR_HEIGHT),
        _band(lines, box, view, stroke),
        *(
            _line(wanted.at_ns, np.clip(edge, bottom, top), box, view, "var(--ink)", " stroke-dasharray='2 3'")
            for edge in (wanted.low, wanted.high)
        ),
        *(_level(limit, box) for limit in sensor.limits if bottom <= limit <= top),
        f"<text x='{LEFT + 4}' y='12' style='fill:{stroke}'>{escape(said[:80])}</text>",
    ]
    return _svg(parts, SENSOR_HEIGHT, f"{said} over time")


def time_axis(view: View, times: Times) -> str:
    """Return times below the panels."""
    marks = []
    for at_ns, text in _ticks(view, times):
        x = view.across(at_ns)
        anchor = "start" if x < LEFT + 40 else "end" if x > WIDTH - 70 else "middle"
        marks.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='4' stroke='var(--faint)'/>"
            f"<text class='faint' x='{x:.1f}' y='15' text-anchor='{anchor}'>{escape(text)}</text>"
        )
    return _svg(marks, AXIS_HEIGHT, "times")


def _ticks(view: View, times: Times) -> list[tuple[int, str]]:
    unit_ns = times.counter_ns or NS
    span = (view.until_ns - view.since_ns) / unit_ns
    if times.counter_ns:
        ten = 10.0 ** math.floor(math.log10(max(span / MOST_TICKS, 1e-9)))
        step = next(one * ten for one in (1, 2, 5, 10) if span / (one * ten) <= MOST_TICKS)
    else:
        step = next((float(one) for one in _STEPS if span / one <= MOST_TICKS), float(_STEPS[-1]))
    first = math.ceil(view.since_ns / unit_ns / step)
    found = [round(number * step * unit_ns) for number in range(first, int(view.until_ns / unit_ns / step) + 1)]
    if times.counter_ns:
        return [(at_ns, times.shown(at_ns)) for at_ns in found]
    part = slice(0, 10) if step >= 86_400 else slice(5, 16) if step >= 60 else slice(11, 19)
    return [(at_ns, times.stamp(at_ns)[part].replace("T", " ")) for at_ns in found]


def _range(lines: Lines, wanted: Lines) -> tuple[float, float]:
    low, high = np.concatenate((lines.low, wanted.low)), np.concatenate((lines.high, wanted.high))
    if not len(low):
        return 0.0, 1.0
    bottom, top = float(np.quantile(low, 0.001)), float(np.quantile(high, 0.999))
    return (bottom, top) if top > bottom else (bottom - 0.5, top + 0.5)


def _band(lines: Lines, box: tuple[float, float, int], view: View, colour: str) -> str:
    bottom, top, height = box
    parts = []
    for piece in _pieces(lines.at_ns, view):
        across = [view.across(at) for at in lines.at_ns[piece].tolist()]
        high = _up(np.clip(lines.high[piece], bottom, top), bottom, top, height).tolist()
        low = _up(np.clip(lines.low[piece], bottom, top), bottom, top, height).tolist()
        edge = [*zip(across, high, strict=True), *zip(across[::-1], low[::-1], strict=True)]
        parts.append(f"<polygon points='{_points(edge)}'/>")
    return f"<g fill='{colour}' fill-opacity='.45' stroke='{colour}' stroke-width='.8'>{''.join(parts)}</g>"


def _line(at_ns: Column, values: Column, box: tuple[float, float, int], view: View, colour: str, how: str = "") -> str:
    bottom, top, height = box
    parts = []
    for piece in _pieces(at_ns, view):
        up = _up(values[piece], bottom, top, height).tolist()
        across = [view.across(at) for at in at_ns[piece].tolist()]
        parts.append(f"<polyline points='{_points(list(zip(across, up, strict=True)))}'/>")
    return f"<g fill='none' stroke='{colour}'{how}>{''.join(parts)}</g>"


def _level(value: float, box: tuple[float, float, int]) -> str:
    y = _up(np.array([value]), *box)[0]
    return (
        f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}' stroke='var(--alarm)' "
        "stroke-dasharray='5 4'/>"
    )


def _pieces(at_ns: Column, view: View) -> list[slice]:
    """Break a line where rows are further apart than they are at most places, and than a person can see."""
    if not len(at_ns):
        return []
    steps = np.diff(at_ns)
    seen_ns = GAP_COLUMNS * (view.until_ns - view.since_ns) / COLUMNS
    least = max(seen_ns, 2.0 * float(np.median(steps)) if len(steps) else 0.0)
    edges = [0, *(np.flatnonzero(steps > least) + 1).tolist(), len(at_ns)]
    return [slice(begin, end) for begin, end in pairwise(edges)]


def _marks(view: View, height: int) -> str:
    parts = []
    for begin_ns, end_ns in view.alarms:
        x, width = _extent(view, begin_ns, end_ns)
        parts.append(f"<rect x='{x:.1f}' y='0' width='{width:.1f}' height='{height}' fill='var(--event)'/>")
    for begin_ns, end_ns in view.events:
        x, width = _extent(view, begin_ns, end_ns)
        parts.append(f"<rect x='{x:.1f}' y='{height - 5}' width='{width:.1f}' height='5' fill='var(--known)'/>")
    return "".join(parts)


def _extent(view: View, begin_ns: int, end_ns: int) -> tuple[float, float]:
    x = view.across(begin_ns)
    return x, max(view.across(end_ns) - x, 1.5)


def _scale(bottom: float, top: float, height: int) -> str:
    return _text(LEFT - 4, MARGIN + 4, f"{top:.4g}") + _text(LEFT - 4, height - 6, f"{bottom:.4g}")


def _text(x: int, y: int, text: str) -> str:
    return f"<text class='faint' x='{x}' y='{y}' text-anchor='end'>{text}</text>"


def _up(values: Column, bottom: float, top: float, height: int) -> Column:
    """Return how far below the upper edge a value is drawn."""
    return height - 8 - (values - bottom) / max(top - bottom, 1e-9) * (height - MARGIN - 8)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _svg(parts: Sequence[str], height: int, label: str) -> str:
    return f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(label)}'>{''.join(parts)}</svg>"
