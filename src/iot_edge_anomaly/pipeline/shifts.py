"""A calendar of shifts tells the operating state: one more sensor, which reads the number of the shift that is on.

Nobody sends it. Its value follows from the time of a row, so it is the same wherever the row is worked out. Pure.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.local_time import MONDAY_NS, UTC, local_ns

SHIFT = "shift"
"""What the sensor is called."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"
DAY_MINUTES = 1440
WEEK_MINUTES = 7 * DAY_MINUTES
MINUTE_NS = 60 * 1_000_000_000

_SPAN = re.compile(r"([a-z,-]+) +(\d\d?):(\d\d) *- *(\d\d?):(\d\d)")


class Shifts(NamedTuple):
    """Shifts as they were written, number 1 first; of two that are on at once the first counts. And by whose clocks."""

    words: tuple[str, ...]
    zone: str = UTC

    def at(self, time_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the number of the shift that is on at each time (n,); 0: none.

        >>> nine_on_monday = np.array([1_767_571_200 * 10**9 + 9 * 3600 * 10**9])
        >>> Shifts(("mon-fri 06:00-14:00",)).at(nine_on_monday).tolist()
        [1.0]
        """
        return _week(self.words)[(local_ns(time_ns, self.zone) + MONDAY_NS) // MINUTE_NS % WEEK_MINUTES]


def with_shift(sensors: tuple[str, ...], values: Matrix, shift: NDArray[np.float64]) -> tuple[tuple[str, ...], Matrix]:
    """Put the shift (n,) beside rows (n, k) that were read without it. Raises ConfigError where its name is taken."""
    if SHIFT in sensors:
        raise ConfigError(f"a column is called {SHIFT!r} already: name it as --state-sensor, or leave it out")
    return (*sensors, SHIFT), np.column_stack((values, shift))


def check(words: tuple[str, ...]) -> None:
    """Raise ConfigError unless all shifts can be read."""
    _week(words)


@lru_cache(maxsize=256)
def _week(words: tuple[str, ...]) -> NDArray[np.float64]:
    """Return which shift each minute of a week is of, from Monday 00:00 on."""
    week = np.zeros(WEEK_MINUTES)
    for number in range(len(words), 0, -1):
        days, begin, end = _read(words[number - 1])
        minutes = np.arange(begin, end if end > begin else end + DAY_MINUTES)
        for day in days:
            week[(day * DAY_MINUTES + minutes) % WEEK_MINUTES] = number
    return week


def _read(text: str) -> tuple[list[int], int, int]:
    """Return days of the week, and from which minute to before which; one that ends earlier ends on the next day.

    >>> _read("fri-sat,mon 22:00-06:30")
    ([4, 5, 0], 1320, 390)
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ConfigError(f"shift {text!r} must read like mon-fri 06:00-14:00, or daily 22:00-06:00")
    hours = [int(part) for part in found.groups()[1:]]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if max(hours[1], hours[3]) > 59 or begin >= DAY_MINUTES or end > DAY_MINUTES or begin == end:
        raise ConfigError(f"shift {text!r}: times run from 00:00 to 24:00, and a shift does not end as it begins")
    days = [day for part in found[1].split(",") for day in _days(part, text)]
    return days, begin, end


def _days(part: str, text: str) -> list[int]:
    if part == DAILY:
        return list(range(7))
    first, _, last = part.partition("-")
    try:
        begin, end = DAYS.index(first), DAYS.index(last or first)
    except ValueError:
        raise ConfigError(f"shift {text!r}: days are {', '.join(DAYS)}, or {DAILY}") from None
    return [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]
