"""Why an alarm was raised, in words an operator reads at a glance: what, how far, against what."""

from collections.abc import Sequence

from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit
from iot_edge_anomaly.core.outcomes import Contributor


def score_reason(contributors: Sequence[Contributor], others: Sequence[str], settings: AlarmSettings) -> str:
    """Say which sensor reads what the model does not expect.

    >>> settings = AlarmSettings(1, 1, (), {}, {}, "")
    >>> score_reason([Contributor("outlet_pressure", 0.7, 3.1, 3.9, "bar")], ["flow", "speed"], settings)
    'outlet pressure 0.8 bar below what flow and speed predict'
    """
    if not contributors:
        return "the sensors together behave unlike anything learned"
    top = contributors[0]
    if top.expected != top.expected:  # NaN: nothing was predicted
        return f"{settings.text_of(top.sensor).title} behaves unlike anything learned"
    return f"{_difference(top, settings)} what {_predictors(others, settings)} predict{_s(others)}"


def limit_reason(limit: Limit, value: float, settings: AlarmSettings) -> str:
    """Say which limit was passed and by what value."""
    text = settings.text_of(limit.sensor)
    side = "above its high" if limit.is_upper else "below its low"
    urgent = "-high" if limit.kind == "HH" else "-low" if limit.kind == "LL" else ""
    return f"{text.title} {_with_unit(value, text.unit)} {side}{urgent} limit of {_with_unit(limit.value, text.unit)}"


def silence_reason(sensor: str, seconds: float, settings: AlarmSettings) -> str:
    """Say that nothing comes from a sensor, or from the whole asset."""
    who = "any sensor" if sensor == "*" else settings.text_of(sensor).title
    return f"no reading from {who} for {seconds:.0f} s"


def stuck_reason(sensor: str, value: float, seconds: float, settings: AlarmSettings) -> str:
    """Say that a sensor reads exactly the same all the time."""
    text = settings.text_of(sensor)
    return f"{text.title} has read exactly {_with_unit(value, text.unit)} for {seconds:.0f} s"


def _difference(top: Contributor, settings: AlarmSettings) -> str:
    text = settings.text_of(top.sensor)
    gap = top.actual - top.expected
    return f"{text.title} {_with_unit(abs(gap), text.unit)} {'above' if gap > 0 else 'below'}"


def _predictors(others: Sequence[str], settings: AlarmSettings) -> str:
    if not others:
        return "its own past"
    if len(others) > 3:
        return "the other sensors"
    titles = [settings.text_of(sensor).title for sensor in others]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def _s(others: Sequence[str]) -> str:
    return "" if len(others) > 1 else "s"


def _with_unit(value: float, unit: str) -> str:
    shown = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{shown} {unit}".rstrip()
