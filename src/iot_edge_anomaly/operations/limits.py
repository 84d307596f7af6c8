"""Limits that people set: what may be set, and how it is told."""

from collections.abc import Mapping
from itertools import pairwise

import msgspec

from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.pipeline.settings import SensorSettings

LIMITS = ("high_high_limit", "high_limit", "low_limit", "low_low_limit", "deadband")
"""What can be set, the highest limit first; the dead band belongs to all of them."""

_ORDERED = LIMITS[:4]


def with_limits(known: SensorSettings, given: Mapping[str, float | None]) -> SensorSettings:
    """Return what people have set with these changes; None: as the file says. Raises RejectedError."""
    unknown = [name for name in given if name not in LIMITS]
    if unknown:
        raise RejectedError(f"{unknown[0]!r} is no limit; there are {', '.join(LIMITS)}")
    if not given:
        raise RejectedError(f"nothing to change was named; there are {', '.join(LIMITS)}")
    said = {name: getattr(known, name) for name in LIMITS}
    try:
        return msgspec.convert({**said, **given}, SensorSettings)
    except msgspec.ValidationError as error:
        raise RejectedError(f"that is no limit: {error}") from error


def check_order(settings: SensorSettings) -> None:
    """Return if each limit lies below the one above it. Raises RejectedError that names the two that do not."""
    there = [(name, value) for name in _ORDERED if (value := getattr(settings, name)) is not None]
    for (upper, above), (lower, below) in pairwise(there):
        if below >= above:
            raise RejectedError(f"{_shown(lower)} {below:g} must lie below {_shown(upper)} {above:g}")


def told(sensor: str, before: SensorSettings, after: SensorSettings) -> str:
    """Say in words what has changed of the limits in force.

    >>> told("flow", SensorSettings(high_limit=12.0), SensorSettings(high_limit=14.0))
    'limits of flow: high limit 14 instead of 12'
    """
    changes = [
        f"{_shown(name)} {_value(new)} instead of {_value(old)}"
        for name in LIMITS
        if (new := getattr(after, name)) != (old := getattr(before, name))
    ]
    return f"limits of {sensor}: {', '.join(changes) or 'as they were'}"


def _shown(name: str) -> str:
    return name.replace("_", " ").replace("high high", "high-high").replace("low low", "low-low")


def _value(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:g}"
