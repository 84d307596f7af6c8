"""Where the time comes from. Pure code is handed a time; only shells hold a clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tell the time, in nanoseconds since 1970-01-01 UTC."""

    def now_ns(self) -> int:
        """Return the wall-clock time."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now_ns(self) -> int:
        """Return the wall-clock time."""
        return time.time_ns()


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time last set."""
        return self._now_ns

    def advance(self, by_ns: int) -> None:
        """Move time on by `by_ns` nanoseconds."""
        self._now_ns += by_ns
