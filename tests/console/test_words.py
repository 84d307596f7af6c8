import math

import msgspec
import pytest
from seeded_plant import PUMP_1, SETTINGS, raised  # type: ignore[import-not-found]

from iot_edge_anomaly.console.words import (
    Condition,
    condition_of,
    duration,
    figure,
    sensor_title,
    summary,
    worst_priority,
)
from iot_edge_anomaly.core.outcomes import AlarmState, Phase, Priority
from iot_edge_anomaly.views.plant import AlarmView, AssetView

NS = 1_000_000_000
NOW = 1_000_000 * NS
CALM = AssetView(PUMP_1, Phase.CALIBRATED, 1.0, NOW, 0.3)


def alarm(
    state: AlarmState, priority: Priority = Priority.MEDIUM, seconds_ago: int = 10, reason: str = "flow low"
) -> AlarmView:
    event = raised(PUMP_1, seconds_ago, NOW - seconds_ago * NS, "score", priority, reason)
    return AlarmView(PUMP_1, event, msgspec.structs.replace(event, after=state))


@pytest.mark.parametrize(
    ("asset", "condition"),
    [
        (CALM, Condition.NORMAL),
        (CALM._replace(phase=Phase.LEARNING), Condition.LEARNING),
        (CALM._replace(phase=Phase.PROVISIONAL), Condition.PROVISIONAL),
        (CALM._replace(time_ns=NOW - 16 * NS), Condition.SILENT),
        (CALM._replace(time_ns=NOW - 14 * NS), Condition.NORMAL),
        (CALM._replace(time_ns=0, phase=Phase.LEARNING), Condition.LEARNING),
        (CALM._replace(alarms=(alarm(AlarmState.UNACKNOWLEDGED),)), Condition.ALARM),
        (CALM._replace(alarms=(alarm(AlarmState.ACKNOWLEDGED),)), Condition.ACKNOWLEDGED),
        (CALM._replace(alarms=(alarm(AlarmState.RETURNED),)), Condition.RETURNED),
        (CALM._replace(alarms=(alarm(AlarmState.SHELVED),)), Condition.NORMAL),
        (CALM._replace(alarms=(alarm(AlarmState.OUT_OF_SERVICE),)), Condition.MAINTENANCE),
        (CALM._replace(alarms=(alarm(AlarmState.RETURNED), alarm(AlarmState.UNACKNOWLEDGED))), Condition.ALARM),
        (CALM._replace(alarms=(alarm(AlarmState.UNACKNOWLEDGED),), time_ns=NOW - 99 * NS), Condition.ALARM),
        (CALM._replace(maintenance_until_ns=NOW + 1), Condition.MAINTENANCE),
        (CALM._replace(maintenance_until_ns=NOW), Condition.NORMAL),
    ],
)
def test_an_asset_shows_the_worst_that_can_be_said(asset: AssetView, condition: Condition) -> None:
    assert condition_of(asset, SETTINGS, NOW) is condition
    assert summary(asset, SETTINGS, NOW)


def test_slow_assets_are_not_called_silent_between_two_rows() -> None:
    hourly = msgspec.structs.replace(SETTINGS, grid_seconds=3600.0)
    assert condition_of(CALM._replace(time_ns=NOW - 3 * 3600 * NS), hourly, NOW) is Condition.NORMAL
    assert condition_of(CALM._replace(time_ns=NOW - 6 * 3600 * NS), hourly, NOW) is Condition.SILENT


def test_summaries_read_like_sentences() -> None:
    learning = CALM._replace(phase=Phase.LEARNING, progress=0.62)
    assert summary(learning, SETTINGS, NOW) == "Learning: 62%, about 11 s left"
    provisional = learning._replace(phase=Phase.PROVISIONAL, progress=0.2)
    assert summary(provisional, SETTINGS, NOW) == "Scored provisionally while learning: 20%, about 24 s left"
    assert summary(learning._replace(progress=1.0), SETTINGS, NOW).endswith("its model is being fitted")
    newer = alarm(AlarmState.UNACKNOWLEDGED, seconds_ago=2, reason="vibration 2.1 mm/s above what speed predicts")
    both = CALM._replace(alarms=(newer, alarm(AlarmState.UNACKNOWLEDGED)))
    assert summary(both, SETTINGS, NOW) == "Vibration 2.1 mm/s above what speed predicts"
    assert summary(CALM._replace(time_ns=NOW - 100 * NS), SETTINGS, NOW) == "Nothing has come in for 1.7 min"
    assert (
        summary(CALM._replace(maintenance_until_ns=NOW + 1500 * NS), SETTINGS, NOW) == "In maintenance for 25 min more"
    )


def test_only_alarms_in_sight_have_a_priority() -> None:
    hidden = alarm(AlarmState.SHELVED, Priority.HIGH)
    assert worst_priority(CALM._replace(alarms=(hidden,))) is None
    assert worst_priority(CALM._replace(alarms=(hidden, alarm(AlarmState.RETURNED, Priority.LOW)))) is Priority.LOW


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00 bar"),
        (2.0, "2.00 bar"),
        (3.14159, "3.14 bar"),
        (99.96, "100 bar"),
        (104.2, "104 bar"),
        (999.7, "1,000 bar"),
        (-12345.6, "-12,346 bar"),
        (1e300, None),
        (1.2e-7, "1.20e-07 bar"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_figures_have_the_digits_that_help(value: float, shown: str | None) -> None:
    assert figure(value, "bar") == shown or (shown is None and figure(value, "bar").endswith(" bar"))


def test_durations_have_one_unit() -> None:
    assert [duration(s) for s in (-3, 0.2, 59, 60, 90, 3600, 5400, 200_000)] == [
        "0 s",
        "0 s",
        "59 s",
        "1 min",
        "1.5 min",
        "1 h",
        "1.5 h",
        "2.3 days",
    ]


def test_sensors_have_titles() -> None:
    assert sensor_title(SETTINGS, "power") == "Motor power"
    assert sensor_title(SETTINGS, "bearing_temperature") == "Bearing temperature"
    assert sensor_title(SETTINGS, "x") == "X"
