"""Draw a sketch of a series as SVG: sensors in one panel, a method's score in another, events shaded in both."""

from html import escape

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.sketch import Sketch

WIDTH, LEFT = 900, 60
SENSOR_HEIGHT, SCORE_HEIGHT = 150, 80
MARGIN = 18
LINE_COLOURS = 3
SHOWN_DEVIATIONS = 30.0
"""Beyond so many deviations of the training rows a sensor is drawn at the edge: one wild value would flatten all."""

Points = NDArray[np.float64]


def sensor_panel(one: Sketch) -> str:
    """Return the sensors' lowest and highest value a column, over the labelled events."""
    lows = [np.clip(line.low, -SHOWN_DEVIATIONS, SHOWN_DEVIATIONS).astype(float) for line in one.sensors]
    highs = [np.clip(line.high, -SHOWN_DEVIATIONS, SHOWN_DEVIATIONS).astype(float) for line in one.sensors]
    bottom, top = min(low.min() for low in lows), max(high.max() for high in highs)
    parts = [_events(one, SENSOR_HEIGHT), _scale(bottom, top, SENSOR_HEIGHT)]
    for place, (line, low, high) in enumerate(zip(one.sensors, lows, highs, strict=True)):
        across = _across(len(low))
        edge = np.concatenate((_up(high, bottom, top, SENSOR_HEIGHT), _up(low, bottom, top, SENSOR_HEIGHT)[::-1]))
        colour = f"var(--line{place % LINE_COLOURS})"
        parts.append(
            f"<polygon points='{_points(np.concatenate((across, across[::-1])), edge)}' fill='{colour}' "
            f"fill-opacity='.45' stroke='{colour}' stroke-width='.8'/>"
            f"<text x='{LEFT + 4 + 200 * place}' y='12' style='fill:{colour}'>{escape(line.name[:28])}</text>"
        )
    parts.append(_text(WIDTH - 4, 12, f"{one.rows:,} rows", "end"))
    return _svg(parts, SENSOR_HEIGHT, f"sensors of {one.series}")


def score_panel(one: Sketch, method: str) -> str:
    """Return a method's highest score a column and its threshold, on a scale that shows both."""
    high, threshold = one.scores[method]
    score = high.astype(float)
    room = threshold * 1.2 if np.isfinite(threshold) else 0.0
    bottom, top = min(float(score.min()), 0.0), max(float(np.quantile(score, 0.995)), room, 1e-9)
    height = _up(np.clip(score, bottom, top), bottom, top, SCORE_HEIGHT)
    across = _across(len(score))
    parts = [
        _events(one, SCORE_HEIGHT),
        _scale(bottom, top, SCORE_HEIGHT),
        f"<polyline points='{_points(across, height)}' fill='none' stroke='var(--score)'/>",
        _alarms(across, score > threshold),
    ]
    if bottom <= threshold <= top:
        level = float(_up(np.array([threshold]), bottom, top, SCORE_HEIGHT)[0])
        parts.append(
            f"<line x1='{LEFT}' x2='{WIDTH}' y1='{level:.1f}' y2='{level:.1f}' stroke='var(--alarm)' "
            "stroke-dasharray='5 4'/>"
        )
    parts.append(f"<text x='{LEFT + 4}' y='12'>score of {escape(method)}</text>")
    return _svg(parts, SCORE_HEIGHT, f"score of {method} on {one.series}")


def _alarms(across: Points, alarms: NDArray[np.bool_]) -> str:
    width = (WIDTH - LEFT) / max(len(across), 1)
    marks = "".join(f"M{x - width / 2:.1f} {SCORE_HEIGHT - 4}h{max(width, 1.0):.2f}" for x in across[alarms])
    return f"<path d='{marks}' stroke='var(--alarm)' stroke-width='5'/>" if marks else ""


def _events(one: Sketch, height: int) -> str:
    step = (WIDTH - LEFT) / one.rows
    return "".join(
        f"<rect x='{LEFT + step * begin:.1f}' y='0' width='{max(step * (end + 1 - begin), 1):.1f}' height='{height}' "
        "fill='var(--event)'/>"
        for begin, end in one.labelled
    )


def _scale(bottom: float, top: float, height: int) -> str:
    return _text(LEFT - 4, MARGIN + 4, f"{top:.3g}", "end") + _text(LEFT - 4, height - 6, f"{bottom:.3g}", "end")


def _text(x: int, y: int, text: str, anchor: str) -> str:
    return f"<text class='faint' x='{x}' y='{y}' text-anchor='{anchor}'>{text}</text>"


def _across(columns: int) -> Points:
    return LEFT + (np.arange(columns) + 0.5) * (WIDTH - LEFT) / columns


def _up(values: Points, bottom: float, top: float, height: int) -> Points:
    """Return how far below the upper edge a value is drawn."""
    return height - 8 - (values - bottom) / max(top - bottom, 1e-9) * (height - MARGIN - 8)


def _points(across: Points, height: Points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across.tolist(), height.tolist(), strict=True))


def _svg(parts: list[str], height: int, label: str) -> str:
    return f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label='{escape(label)}'>{''.join(parts)}</svg>"
