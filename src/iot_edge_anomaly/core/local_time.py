"""What the clock on the wall said, for many times at once. Pure; the rules of time zones are data that Python reads."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.errors import ConfigError

NS = 1_000_000_000
UTC = "UTC"
QUARTER_SECONDS = 900
"""Clocks are set forward and back at full quarters of an hour, and nowhere else."""

MONDAY_NS = 3 * 86_400 * NS
"""From a Monday, 00:00, to the beginning of time: 1970 began on a Thursday."""


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name, such as Europe/Berlin. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"there is no time zone {name!r}; names read like Europe/Berlin, or UTC") from error


def local_ns(time_ns: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Return what clocks there showed, in ns since 1970-01-01 00:00 by the same clocks.

    In autumn an hour is shown twice, in spring one is not shown.

    >>> (local_ns(np.array([0, 20_000 * 86_400 * NS]), "Europe/Berlin") // NS % 86_400 // 3600).tolist()
    [1, 2]
    """
    if zone == UTC:
        return time_ns
    quarters, which = np.unique(time_ns // (QUARTER_SECONDS * NS), return_inverse=True)
    return np.asarray(time_ns + np.array([_offset_ns(zone, quarter) for quarter in quarters.tolist()], np.int64)[which])


@lru_cache(maxsize=4096)
def _offset_ns(zone: str, quarter: int) -> int:
    offset = datetime.fromtimestamp(quarter * QUARTER_SECONDS, zone_of(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds()) * NS
