"""Reasons, word for word."""

from math import nan

import pytest

from iot_edge_anomaly.alarms.reasons import limit_reason, score_reason, silence_reason, stuck_reason
from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit, SensorTexts
from iot_edge_anomaly.core.outcomes import Contributor, Origin

SETTINGS = AlarmSettings(
    1,
    1,
    (),
    {},
    {
        "p_out": SensorTexts("outlet pressure", "bar"),
        "t": SensorTexts("bearing temperature", "°C"),
        "vib": SensorTexts("vibration", "mm/s"),
        "n": SensorTexts("pump speed", "1/min"),
        "ratio": SensorTexts("valve ratio", ""),
    },
    "v1",
)


@pytest.mark.parametrize(
    ("sensor", "actual", "expected", "unit", "others", "text"),
    [
        ("p_out", 3.1, 3.9, "bar", ["flow", "n"], "outlet pressure 0.8 bar below what flow and pump speed predict"),
        ("p_out", 4.6123, 3.9, "bar", ["flow"], "outlet pressure 0.71 bar above what flow predicts"),
        ("t", 97.26, 60.0, "°C", [], "bearing temperature 37.3 °C above what its own past predicts"),
        ("n", 2000.0, 765.4, "1/min", ["a", "b", "c"], "pump speed 1,235 1/min above what a, b and c predict"),
        ("n", 0.0, 99_999.6, "1/min", list("abcd"), "pump speed 100,000 1/min below what the other sensors predict"),
        ("ratio", 0.5, 0.25, "", ["t"], "valve ratio 0.25 above what bearing temperature predicts"),
        ("motor_current", 1e-5, 0.0, "A", ["n"], "motor current 1e-05 A above what pump speed predicts"),
        ("t", nan, 60.0, "°C", ["n"], "bearing temperature behaves unlike anything learned"),
        ("t", 60.0, nan, "°C", ["n"], "bearing temperature behaves unlike anything learned"),
    ],
)
def test_score(sensor: str, actual: float, expected: float, unit: str, others: list[str], text: str) -> None:
    assert score_reason([Contributor(sensor, 1.0, actual, expected, unit)], others, SETTINGS) == text


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (Origin.UNTOLD, ""),
        (
            Origin.SENSOR,
            "; the other sensors agree with each other: rather a fault of the sensor than of the machine",
        ),
        (
            Origin.MACHINE,
            "; several sensors agree that something is different: rather the machine than a sensor",
        ),
    ],
)
def test_the_origin_is_said_behind_the_sensor(origin: Origin, said: str) -> None:
    contributors = [Contributor("p_out", 1.0, 3.1, 3.9, "bar")]
    reason = score_reason(contributors, ["flow"], SETTINGS, origin)
    assert reason == f"outlet pressure 0.8 bar below what flow predicts{said}"


def test_a_score_that_no_sensor_explains() -> None:
    assert score_reason([], ["t"], SETTINGS) == "the sensors together behave unlike anything learned"


@pytest.mark.parametrize(
    ("limit", "value", "text"),
    [
        (Limit("t", "H", 85, 0), 92, "bearing temperature 92 °C above its high limit of 85 °C"),
        (Limit("t", "HH", 95, 0), 95.04, "bearing temperature 95.04 °C above its high-high limit of 95 °C"),
        (Limit("p_out", "L", 2.5, 0), 0.8123, "outlet pressure 0.812 bar below its low limit of 2.5 bar"),
        (Limit("p_out", "LL", 1, 0), -1e9, "outlet pressure -1e+09 bar below its low-low limit of 1 bar"),
        (Limit("n", "H", 1500, 0), 1500.2, "pump speed 1,500.2 1/min above its high limit of 1,500 1/min"),
        (Limit("level_m", "L", 0, 0), -0.25, "level m -0.25 below its low limit of 0"),
    ],
)
def test_limit(limit: Limit, value: float, text: str) -> None:
    assert limit_reason(limit, value, SETTINGS) == text


@pytest.mark.parametrize(
    ("sensor", "seconds", "text"),
    [
        ("flow", 60.4, "no reading from flow for 60 s"),
        ("t", 300, "no reading from bearing temperature for 5 min"),
        ("t", 3599.9, "no reading from bearing temperature for 1 h"),
        ("*", 3700, "no reading from any sensor for 1 h 2 min"),
        ("*", 90_000, "no reading from any sensor for 1 d 1 h"),
    ],
)
def test_silence(sensor: str, seconds: float, text: str) -> None:
    assert silence_reason(sensor, seconds, SETTINGS) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.31, "vibration has read exactly 2.31 mm/s for 45 s"),
        (0.0, "vibration has read exactly 0 mm/s for 45 s"),
        (2.312345678, "vibration has read exactly 2.31235 mm/s for 45 s"),
    ],
)
def test_stuck(value: float, text: str) -> None:
    assert stuck_reason("vib", value, 45.2, SETTINGS) == text
