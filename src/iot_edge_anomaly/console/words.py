"""What the page says: durations, numbers and states in words for people. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite

from iot_edge_anomaly.core.outcomes import AlarmState, Phase, Priority
from iot_edge_anomaly.pipeline.settings import AssetSettings, sensor_settings
from iot_edge_anomaly.views.plant import AssetView

NS = 1_000_000_000
SILENT_AFTER_SECONDS = 15.0
SILENT_AFTER_ROWS = 5


class Condition(StrEnum):
    """What an asset looks like at a glance, worst first."""

    ALARM = "alarm"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    SILENT = "silent"
    MAINTENANCE = "maintenance"
    LEARNING = "learning"
    PROVISIONAL = "provisional"
    NORMAL = "normal"


CONDITION_WORDS: Mapping[Condition, str] = {
    Condition.ALARM: "Alarm",
    Condition.ACKNOWLEDGED: "Alarm, acknowledged",
    Condition.RETURNED: "Over, not acknowledged",
    Condition.SILENT: "No data",
    Condition.MAINTENANCE: "Maintenance",
    Condition.LEARNING: "Learning",
    Condition.PROVISIONAL: "Provisional",
    Condition.NORMAL: "Normal",
}
STATE_WORDS: Mapping[AlarmState, str] = {
    AlarmState.NORMAL: "over",
    AlarmState.UNACKNOWLEDGED: "not acknowledged",
    AlarmState.ACKNOWLEDGED: "acknowledged",
    AlarmState.RETURNED: "over, not acknowledged",
    AlarmState.SHELVED: "shelved",
    AlarmState.SUPPRESSED: "suppressed",
    AlarmState.OUT_OF_SERVICE: "in maintenance",
}
_BY_STATE = (
    (AlarmState.UNACKNOWLEDGED, Condition.ALARM),
    (AlarmState.ACKNOWLEDGED, Condition.ACKNOWLEDGED),
    (AlarmState.RETURNED, Condition.RETURNED),
)
_SEEN = frozenset(state for state, _ in _BY_STATE)
"""States of alarms that nobody hid."""

_BY_PHASE = {
    Phase.LEARNING: Condition.LEARNING,
    Phase.PROVISIONAL: Condition.PROVISIONAL,
    Phase.CALIBRATED: Condition.NORMAL,
}
_PRIORITIES = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)


def condition_of(asset: AssetView, settings: AssetSettings, now_ns: int) -> Condition:
    """Return the worst that can be said of an asset."""
    if now_ns < asset.maintenance_until_ns:
        return Condition.MAINTENANCE
    states = {alarm.latest.after for alarm in asset.alarms}
    for state, condition in _BY_STATE:
        if state in states:
            return condition
    if AlarmState.OUT_OF_SERVICE in states:
        return Condition.MAINTENANCE
    usual = SILENT_AFTER_ROWS * (settings.grid_seconds or 0.0) + (settings.lateness_seconds or 0.0)
    if asset.time_ns and now_ns - asset.time_ns > max(usual, SILENT_AFTER_SECONDS) * NS:
        return Condition.SILENT
    return _BY_PHASE[asset.phase]


def worst_priority(asset: AssetView) -> Priority | None:
    """Return the priority of the most urgent alarm that nobody hid; None when there is none."""
    seen = [alarm.raised.priority for alarm in asset.alarms if alarm.latest.after in _SEEN]
    return max(seen, key=_PRIORITIES.index, default=None)


def summary(asset: AssetView, settings: AssetSettings, now_ns: int) -> str:
    """Return one line about an asset: the reason of its newest alarm, or how far it has come."""
    seen = [alarm for alarm in asset.alarms if alarm.latest.after in _SEEN]
    condition = condition_of(asset, settings, now_ns)
    match condition:
        case Condition.ALARM | Condition.ACKNOWLEDGED | Condition.RETURNED:
            return sentence(max(seen, key=lambda alarm: alarm.raised.time_ns).raised.reason)
        case Condition.MAINTENANCE if asset.maintenance_until_ns:
            return f"In maintenance for {duration((asset.maintenance_until_ns - now_ns) / NS)} more"
        case Condition.SILENT:
            return f"Nothing has come in for {duration((now_ns - asset.time_ns) / NS)}"
        case Condition.LEARNING | Condition.PROVISIONAL:
            return learning(asset, settings)
        case _:
            return CONDITION_WORDS[condition]


def learning(asset: AssetView, settings: AssetSettings) -> str:
    """Say how far an asset has learned and how long it will still take."""
    how = "Scored provisionally while learning" if asset.phase is Phase.PROVISIONAL else "Learning"
    left = (1.0 - asset.progress) * (settings.learn_rows or 0) * (settings.grid_seconds or 1.0)
    if left < 1.0:
        return f"{how}: it has seen enough, its model is being fitted"
    return f"{how}: {asset.progress:.0%}, about {duration(left)} left"


def duration(seconds: float) -> str:
    """Write a duration with the one unit that matters.

    >>> duration(11.6), duration(90), duration(5400), duration(200000)
    ('12 s', '1.5 min', '1.5 h', '2.3 days')
    """
    seconds = max(seconds, 0.0)
    for size, unit in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def figure(value: float, unit: str = "") -> str:
    """Write a reading with as many digits as help, and its unit.

    >>> figure(3.14159, "bar"), figure(1480.2, "1/min"), figure(float("nan"), "bar")
    ('3.14 bar', '1,480 1/min', '–')
    """
    if not isfinite(value):
        return "–"
    shown = f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")
    return f"{shown} {unit}".rstrip()


def clock_time(time_ns: int) -> str:
    """Write a time of day in the time zone of this machine."""
    return datetime.fromtimestamp(time_ns / NS, UTC).astimezone().strftime("%H:%M:%S")


def sensor_title(settings: AssetSettings, sensor: str) -> str:
    """Return what people call a sensor."""
    return sentence(sensor_settings(settings, sensor).title or sensor.replace("_", " "))


def sensor_unit(settings: AssetSettings, sensor: str) -> str:
    """Return the unit a sensor reads in, or nothing."""
    return sensor_settings(settings, sensor).unit or ""


def sentence(text: str) -> str:
    """Write the first letter large, and leave the rest as it is."""
    return text[:1].upper() + text[1:]
