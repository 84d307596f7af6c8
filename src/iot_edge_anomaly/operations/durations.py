"""Durations as people write them."""

import re
from datetime import timedelta

from iot_edge_anomaly.core.errors import ConfigError

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Read `90s`, `30m`, `2h`, `1d12h`, `2w`. Raises ConfigError.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ConfigError(f"{text!r} is no duration; write for example 90s, 30m, 2h, 1d12h or 2w")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
