"""Times as sources write them: ISO 8601, or a count since 1970-01-01 UTC whose size tells its unit."""

import re
from datetime import UTC, datetime, timedelta

from iot_edge_anomaly.core.errors import RejectedError

EARLIEST_NS = 946_684_800 * 10**9
"""2000-01-01. Clocks that were never set say something before it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BELOW_MICROSECONDS = re.compile(r"[.,]\d{6}(\d{1,3})")


def time_ns(given: object) -> int:
    """Read a time as nanoseconds UTC; one without a zone is UTC. Raises RejectedError.

    >>> time_ns("1970-01-01T00:00:01.5Z"), time_ns(1_800_000_000), time_ns(1_800_000_000_000)
    (1500000000, 1800000000000000000, 1800000000000000000)
    """
    if isinstance(given, str):
        return _from_text(given)
    if isinstance(given, bool):
        raise RejectedError("time is a truth value")
    if isinstance(given, int):
        return given * _unit_ns(given)
    if isinstance(given, float) and abs(given) < 1e19:
        unit = _unit_ns(given)
        return round(given) if unit == 1 else round(given * (unit / 1000)) * 1000
    if isinstance(given, datetime):
        return _from_datetime(given)
    raise RejectedError("time is neither ISO 8601 nor a number")


def _unit_ns(count: float) -> int:
    """Seconds reach 10^11 in the year 5138, milliseconds 10^14, microseconds 10^17."""
    size = abs(count)
    if size < 1e11:
        return 1_000_000_000
    if size < 1e14:
        return 1_000_000
    return 1_000 if size < 1e17 else 1


def _from_text(given: str) -> int:
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise RejectedError("time is not ISO 8601") from None
    finer = _BELOW_MICROSECONDS.search(given)
    return _from_datetime(at) + (int(finer[1].ljust(3, "0")) if finer else 0)


def _from_datetime(at: datetime) -> int:
    zoned = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // _MICROSECOND * 1000
