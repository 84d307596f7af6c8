"""Whose turn it is to be read, over one connection that carries one question at a time. Pure: it is told the time.

Every device is read on a grid of its own; times that went by while others were read are left out, never made up for.
A unit that did not answer twice in a row, or once before it ever did, is lost: it is asked after pauses that grow. All
lost units together get a tenth of the time at most, so that those that answer keep their pace.
"""

import math
from collections.abc import Sequence

from iot_edge_anomaly.resilience.pauses import longest_pause

LOST_AFTER = 2
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
WITNESSES = 2
_SHARE = 9
"""After a wait for a lost unit nobody waits for one again for so many times as long."""


class Turns:
    """Times are seconds of one clock that never goes back. Devices are told by their number, from 0 on."""

    def __init__(self, devices: Sequence[tuple[int, float]], now: float) -> None:
        """Take the unit of each device, and how often it is read; the first turns are now."""
        self._devices = [_Device(unit, every, now) for unit, every in devices]
        self._units = {unit: _Unit() for unit, _ in devices}
        self._spare_at = -math.inf

    def next(self) -> tuple[int, float]:
        """Return which device is next, and when; of those that wait, the one that waits longest, lost ones last."""
        return min(((number, self._due(one)) for number, one in enumerate(self._devices)), key=self._precedence)

    def read(self, device: int, now: float) -> int:
        """Note that a device was read, or tried; return how many of its turns went by meanwhile."""
        passed = self._devices[device].move_on(now)
        return 0 if self.is_lost(self._devices[device].unit) else passed

    def heard(self, unit: int, now: float) -> None:
        """Note that a unit answered a question."""
        self._units[unit].heard_at = now

    def answered(self, unit: int, now: float) -> None:
        """Note that a unit answered all it was asked; what is read of one that was lost is due at once."""
        known = self._units[unit]
        if known.is_lost:
            for device in self._devices:
                if device.unit == unit:
                    device.begin(now)
        known.silences, known.is_lost = 0, False

    def silent(self, unit: int, waited: float, now: float) -> bool:
        """Note that a unit was waited for and did not answer; tell whether it is lost by that."""
        known = self._units[unit]
        was_lost, known.silences = known.is_lost, known.silences + 1
        known.is_lost = was_lost or known.silences >= (LOST_AFTER if known.heard_at > -math.inf else 1)
        if known.is_lost:
            known.ask_at = now + longest_pause(known.silences, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            self._spare_at = now + _SHARE * waited
        return known.is_lost and not was_lost

    def is_lost(self, unit: int) -> bool:
        """Tell whether a unit is one of those that are asked less often."""
        return self._units[unit].is_lost

    def all_lost(self) -> bool:
        """Tell whether no unit is left that answers."""
        return all(unit.is_lost for unit in self._units.values())

    def witnesses(self, unit: int) -> list[int]:
        """Return the units of which one answer would show that the connection works, when `unit` is silent.

        A few that answered over this connection are enough; where none did yet all others are. The unit itself is the
        last: it may have missed one question.
        """
        heard = sorted(((one.heard_at, other) for other, one in self._units.items() if other != unit), reverse=True)
        proven = [other for heard_at, other in heard if heard_at > -math.inf]
        return [*(proven[:WITNESSES] or [other for _, other in heard]), unit]

    def _due(self, device: "_Device") -> float:
        unit = self._units[device.unit]
        return max(unit.ask_at, self._spare_at) if unit.is_lost else device.due

    def _precedence(self, turn: tuple[int, float]) -> tuple[float, bool, int]:
        number, due = turn
        return due, self.is_lost(self._devices[number].unit), number


class _Unit:
    """How a unit has been answering."""

    def __init__(self) -> None:
        self.is_lost = False
        self.silences = 0
        self.heard_at = -math.inf
        self.ask_at = -math.inf


class _Device:
    """When a device is read."""

    def __init__(self, unit: int, every: float, now: float) -> None:
        self.unit = unit
        self._every = every
        self.begin(now)

    def begin(self, now: float) -> None:
        """Lay the grid anew: the next turn is now."""
        self._began, self._turns, self.due = now, 0, now

    def move_on(self, now: float) -> int:
        """Make the first time of the grid after now the next; return how many were passed over."""
        following = max(math.floor((now - self._began) / self._every) + 1, self._turns + 1)
        following += self._began + following * self._every <= now  # where rounding made the quotient a little too small
        passed = following - self._turns - 1
        self._turns, self.due = following, self._began + following * self._every
        return passed
