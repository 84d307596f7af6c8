"""Scores through the alarm stage that ships, with the settings that ship: in which rows is the score alarm on?"""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings, SensorTexts
from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import DEFAULTS

KEY = AssetKey("bench", "asset")
SENSOR = "sensor"


def alarm_rows(score: NDArray[np.float64], interval_seconds: float = 1.0) -> NDArray[np.bool_]:
    """Return for scores (n,), above 1 odd, in which rows (n,) the alarm is on.

    It comes after the on-delay and goes after the off-delay. What is told of it names no sensor that matters.
    """
    settings = AlarmSettings(
        DEFAULTS.on_delay_rows or 1, DEFAULTS.off_delay_rows or 1, (), {}, {SENSOR: SensorTexts(SENSOR, "")}, ""
    )
    interval_ns, nothing = round(interval_seconds * 1e9), np.zeros((len(score), 1))
    times = np.arange(len(score)) * interval_ns
    judged = ScoredRows((SENSOR,), times, nothing, score, nothing, score[:, None], nothing, None, True, "")
    steps = np.zeros(len(score), np.int64)
    for told in on_rows(AlarmBook(), KEY, judged, settings):
        if told.event in (Event.RAISE, Event.RE_RAISE):
            steps[told.time_ns // interval_ns] += 1
        elif told.event == Event.RETURN:
            steps[told.time_ns // interval_ns] -= 1
    return np.asarray(np.cumsum(steps) > 0)
