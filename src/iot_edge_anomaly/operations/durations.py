"""Durations as people write them."""

import re
from datetime import timedelta

from iot_edge_anomaly.core.errors import ConfigError

_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(s|m|h|d|w)")
_WHOLE = re.compile(rf"\s*(?:{_PART.pattern}\s*)+")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(text: str) -> timedelta:
    """Read `90s`, `30m`, `2h`, `1d12h`, `2w`. Raises ConfigError.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if not _WHOLE.fullmatch(text):
        raise ConfigError(f"{text!r} is no duration; write for example 90s, 30m, 2h, 1d12h or 2w")
    try:
        return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(text)), timedelta())
    except OverflowError as error:
        raise ConfigError(f"{text!r} is longer than any duration can be") from error
