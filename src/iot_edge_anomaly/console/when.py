"""Times as people write them, in the time zone of this machine. Pure."""

from datetime import UTC, datetime

NS = 1_000_000_000
DAY_NS = 86_400 * NS


def moment(time_ns: int, now_ns: int) -> str:
    """Write a time: the date is left out today, the year this year."""
    then, now = _local(time_ns), _local(now_ns)
    if then.date() == now.date():
        return then.strftime("%H:%M:%S")
    return f"{then.day} {then.strftime('%b %H:%M' if then.year == now.year else '%b %Y %H:%M')}"


def full_moment(time_ns: int) -> str:
    """Write a time with its date.

    >>> full_moment(0)[-8:]
    '00:00:00'
    """
    then = _local(time_ns)
    return f"{then.day} {then.strftime('%b %Y, %H:%M:%S')}"


def midnight_ns(date: str) -> int | None:
    """Return when a day (`2026-11-24`) begins; None when that is no day."""
    try:
        return int(datetime.strptime(date, "%Y-%m-%d").astimezone().timestamp()) * NS
    except (ValueError, OverflowError):
        return None


def day_name(day: int) -> str:
    """Write a day that is counted from 1970-01-01 (UTC).

    >>> day_name(0)
    'Thu 1 Jan'
    """
    then = datetime.fromtimestamp(day * 86_400, UTC)
    return f"{then.strftime('%a')} {then.day} {then.strftime('%b')}"


def _local(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / NS, UTC).astimezone()
