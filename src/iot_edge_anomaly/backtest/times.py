"""Times of the past as people write and read them: UTC, or the plain row counter of a file that has no times."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.connectors.times import time_ns
from iot_edge_anomaly.core.errors import RejectedError

NS = 1_000_000_000
_MOST_NS = (1 << 63) - 1
_UNITS = ((86_400 * NS, "d"), (3_600 * NS, "h"), (60 * NS, "min"), (NS, "s"))


class Times(NamedTuple):
    """`counter_ns`: what a step of the counter stands for; 0: times are times."""

    counter_ns: float = 0.0

    def read(self, text: str) -> int:
        """Read a time. Raises RejectedError.

        >>> Times().read("1970-01-02"), Times(1e9).read("7")
        (86400000000000, 7000000000)
        """
        text = text.strip()
        try:
            number = float(text)
        except ValueError:
            found = self._named(text)
        else:
            found = self._counted(number) if abs(number) < _MOST_NS else _MOST_NS
        if abs(found) >= _MOST_NS:
            raise RejectedError(f"{text[:40]!r} is further away than times reach")
        return found

    def _named(self, text: str) -> int:
        if self.counter_ns:
            raise RejectedError(f"{text[:40]!r} is no number, and the rows are counted")
        try:
            return time_ns(text)
        except RejectedError as error:
            raise RejectedError(f"{text[:40]!r}: {error}; write for example 2026-03-03 or 2026-03-03T06:30") from None

    def _counted(self, number: float) -> int:
        return round(number * self.counter_ns) if self.counter_ns else time_ns(number)

    def shown(self, at_ns: int) -> str:
        """Write a time for people, to the second.

        >>> Times().shown(1_500_000_000), Times().shown(60_000_000_000), Times(1e9).shown(7_000_000_000)
        ('1970-01-01 00:00:01', '1970-01-01 00:01', '7')
        """
        if self.counter_ns:
            return f"{at_ns / self.counter_ns:.10g}"
        return str(np.datetime64(at_ns // NS, "s")).replace("T", " ").removesuffix(":00")

    def stamp(self, at_ns: int) -> str:
        """Write a time for programs."""
        return self.stamps(np.array([at_ns]))[0]

    def stamps(self, times: NDArray[np.int64]) -> Sequence[str]:
        """Write times as a file has them."""
        if self.counter_ns:
            return [f"{one:.10g}" for one in (times / self.counter_ns).tolist()]
        shown = np.datetime_as_string(times.astype("<M8[ns]"), unit="us" if (times % NS).any() else "s")
        return [f"{one}Z" for one in shown.tolist()]


def lasting(span_ns: int) -> str:
    """Write a length of time in one or two units.

    >>> lasting(90 * NS), lasting(26 * 3600 * NS), lasting(0)
    ('1 min 30 s', '1 d 2 h', '0 s')
    """
    for place, (unit_ns, unit) in enumerate(_UNITS[:-1]):
        smaller_ns, smaller = _UNITS[place + 1]
        if span_ns >= unit_ns:
            whole, rest = divmod(span_ns // smaller_ns, unit_ns // smaller_ns)
            return f"{whole} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{span_ns / NS:.3g} s"
