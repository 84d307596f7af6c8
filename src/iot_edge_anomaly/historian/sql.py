"""Conditions as SQL writes them."""

from datetime import UTC, date, datetime

EVER_NS, NEVER_NS = -(1 << 63), (1 << 63) - 1
DAY_SECONDS = 86_400
_NS = 1_000_000_000


def quoted(word: str) -> str:
    """Return a word as SQL writes it."""
    return "'" + word.replace("'", "''") + "'"


def day_of(time_ns: int) -> date:
    """Return the day of a time, in UTC."""
    return datetime.fromtimestamp(time_ns // _NS // DAY_SECONDS * DAY_SECONDS, UTC).date()


def within(asset: str | None, since_ns: int = EVER_NS, until_ns: int = NEVER_NS) -> str:
    """Return a condition for rows of an asset (none: of any), from a time on and before another."""
    said = [
        f"day >= '{day_of(since_ns)}' AND day <= '{day_of(until_ns)}'",
        f"time_ns >= {since_ns} AND time_ns < {until_ns}",
    ]
    return " AND ".join([*said, f"asset = {quoted(asset)}"] if asset is not None else said)


def on_days(first: date, last: date) -> str:
    """Return a condition for rows of these days, both included."""
    return f"day >= '{first}' AND day <= '{last}'"
