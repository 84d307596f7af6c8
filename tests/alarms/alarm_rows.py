"""A pump with two sensors, its limits, and rows of it in short."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit, SensorTexts
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent

NS = 1_000_000_000
KEY = AssetKey("acme", "site/pump-1")
SENSORS = ("flow", "bearing_temperature")
SETTINGS = AlarmSettings(
    on_delay_rows=2,
    off_delay_rows=3,
    limits=(
        Limit("bearing_temperature", "H", 85.0, 1.0),
        Limit("bearing_temperature", "HH", 95.0, 1.0),
        Limit("flow", "L", 5.0, 0.5),
    ),
    silence_seconds={"flow": 60.0, "bearing_temperature": 60.0},
    texts={"flow": SensorTexts("flow", "m³/h"), "bearing_temperature": SensorTexts("bearing temperature", "°C")},
    configuration="v1",
)
WITHOUT_LIMITS = replace(SETTINGS, limits=())


def rows_of(
    *,
    start: int = 0,
    score: Sequence[float] = (),
    flow: Sequence[float] = (),
    temperature: Sequence[float] = (),
    stuck: Sequence[float] | None = None,
    judge_score: bool = True,
) -> ScoredRows:
    """Rows one second apart; `stuck` is how long the flow has not moved."""
    count = max(len(score), len(flow), len(temperature), len(stuck or ()))
    values = np.full((count, 2), [10.0, 60.0])
    values[: len(flow), 0], values[: len(temperature), 1] = flow, temperature
    scores = np.zeros(count)
    scores[: len(score)] = score
    stuck_seconds = None
    if stuck is not None:
        stuck_seconds = np.zeros((count, 2))
        stuck_seconds[: len(stuck), 0] = stuck
    return ScoredRows(
        SENSORS,
        (np.arange(count) + start) * NS,
        values,
        scores,
        values - 1.0,
        np.stack([0.75 * scores, 0.25 * scores], axis=1),
        values,
        stuck_seconds,
        judge_score,
        "sha256:m",
    )


def cut(rows: ScoredRows, start: int, stop: int) -> ScoredRows:
    """Some rows of these."""
    stuck = None if rows.stuck_seconds is None else rows.stuck_seconds[start:stop]
    return rows._replace(
        time_ns=rows.time_ns[start:stop],
        values=rows.values[start:stop],
        score=rows.score[start:stop],
        expected=rows.expected[start:stop],
        contribution=rows.contribution[start:stop],
        raw=rows.raw[start:stop],
        stuck_seconds=stuck,
    )


def after(book: AlarmBook, rows: ScoredRows, settings: AlarmSettings = SETTINGS) -> list[tuple[int, str, str]]:
    """Let rows happen; return second, event and condition of what came of it."""
    return told(on_rows(book, KEY, rows, settings))


def told(events: Sequence[AlarmEvent]) -> list[tuple[int, str, str]]:
    return [(event.time_ns // NS, event.event, event.condition) for event in events]
