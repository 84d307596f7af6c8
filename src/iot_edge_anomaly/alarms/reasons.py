"""Why an alarm was raised, in words an operator reads at a glance: what, how far, against what."""

import math
from collections.abc import Mapping, Sequence

from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit
from iot_edge_anomaly.core.outcomes import Contributor, Origin

MOST_PREDICTORS = 3
"""So many sensors are named as those that predict another; of more it is said that they are the others."""

_ORIGINS: Mapping[Origin, str] = {
    Origin.UNTOLD: "",
    Origin.SENSOR: "; the other sensors agree with each other: rather a fault of the sensor than of the machine",
    Origin.MACHINE: "; several sensors agree that something is different: rather the machine than a sensor",
}


def score_reason(
    contributors: Sequence[Contributor],
    others: Sequence[str],
    settings: AlarmSettings,
    origin: Origin = Origin.UNTOLD,
    season: str = "",
) -> str:
    """Say which sensor reads what the model does not expect, and whether it is rather the sensor or the machine.

    `season`: the model knows what is usual at each time of the `day` or `week`; empty: of no time.

    >>> settings = AlarmSettings(1, 1, (), {}, {}, "")
    >>> score_reason([Contributor("outlet_pressure", 0.7, 3.1, 3.9, "bar")], ["flow", "speed"], settings)
    'outlet pressure 0.8 bar below what flow and speed predict'
    """
    if not contributors:
        return "the sensors together behave unlike anything learned"
    at = f" at this time of the {season}" if season else ""
    return _most_odd(contributors, others, settings, at) + _ORIGINS[origin]


def _most_odd(contributors: Sequence[Contributor], others: Sequence[str], settings: AlarmSettings, at: str) -> str:
    top = contributors[0]
    title = settings.text_of(top.sensor).title
    if math.isnan(top.actual) or math.isnan(top.expected):
        return f"{title} behaves unlike anything learned"
    gap = top.actual - top.expected
    side = "above" if gap > 0 else "below"
    return f"{title} {_figure(abs(gap), top.unit)} {side} what {_predictors(others, settings)}{at}"


def limit_reason(limit: Limit, value: float, settings: AlarmSettings) -> str:
    """Say which limit was passed and by what value."""
    text = settings.text_of(limit.sensor)
    side = "above its high" if limit.is_upper else "below its low"
    doubled = "-high" if limit.kind == "HH" else "-low" if limit.kind == "LL" else ""
    shown, bound = _told_apart(value, limit.value)
    return f"{text.title} {_with_unit(shown, text.unit)} {side}{doubled} limit of {_with_unit(bound, text.unit)}"


def silence_reason(sensor: str, seconds: float, settings: AlarmSettings) -> str:
    """Say how long nothing has come in."""
    who = "any sensor" if sensor == "*" else settings.text_of(sensor).title
    return f"no reading from {who} for {_seconds(seconds)}"


def stuck_reason(sensor: str, value: float, seconds: float, settings: AlarmSettings) -> str:
    """Say how long a sensor has not moved."""
    text = settings.text_of(sensor)
    return f"{text.title} has read exactly {_with_unit(_digits(value, 6), text.unit)} for {_seconds(seconds)}"


def _predictors(others: Sequence[str], settings: AlarmSettings) -> str:
    if not others:
        return "its own past predicts"
    if len(others) > MOST_PREDICTORS:
        return "the other sensors predict"
    titles = [settings.text_of(sensor).title for sensor in others]
    return f"{titles[0]} predicts" if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]} predict"


def _told_apart(value: float, bound: float) -> tuple[str, str]:
    """Write both with as many digits as it takes to see that they differ."""
    digits = next((n for n in range(3, 8) if _digits(value, n) != _digits(bound, n)), 8)
    return _digits(value, digits), _digits(bound, digits)


def _figure(value: float, unit: str) -> str:
    return _with_unit(_digits(value, 2 if value < 10 else 3), unit)


def _with_unit(shown: str, unit: str) -> str:
    return f"{shown} {unit}".rstrip()


def _digits(value: float, digits: int) -> str:
    """Write a number with so many significant digits, and its whole part in full.

    >>> _digits(0.81234, 2), _digits(85.0, 3), _digits(1480.26, 3), _digits(999.7, 3), _digits(-0.00001234, 3)
    ('0.81', '85', '1,480', '1,000', '-1.23e-05')
    """
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    shown = f"{value:,.{places}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _seconds(seconds: float) -> str:
    """Write a time span in one or two units.

    >>> _seconds(60), _seconds(300), _seconds(5400), _seconds(93_600)
    ('60 s', '5 min', '1 h 30 min', '1 d 2 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    large, small, units = (minutes // 60, minutes % 60, "h min") if minutes < 1440 else (*_days(minutes), "d h")
    names = units.split()
    return f"{large} {names[0]}" + (f" {small} {names[1]}" if small else "")


def _days(minutes: int) -> tuple[int, int]:
    return divmod(round(minutes / 60), 24)
