"""Rests: an asset whose fit ran out of time or memory does not take the trainer's turn again at once."""

from typing import NamedTuple

from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.training.apart import ExhaustedError

NS = 1_000_000_000
LONGEST_SECONDS = 86_400.0


class _Rest(NamedTuple):
    seconds: float
    until_ns: int


class Rests:
    """Who rests, and until when: `first_seconds` the first time, then twice as long each time, up to a day.

    Kept in memory: after a restart each asset has one attempt more.
    """

    def __init__(self, clock: Clock, first_seconds: float) -> None:
        self._clock = clock
        self._first_seconds = first_seconds
        self._rests: dict[AssetKey, _Rest] = {}

    def ensure_over(self, key: AssetKey) -> None:
        """Raise ExhaustedError while this asset rests."""
        rest = self._rests.get(key)
        left_ns = rest.until_ns - self._clock.now_ns() if rest else 0
        if left_ns > 0:
            raise ExhaustedError(f"no fit is tried for {left_ns / NS:.0f} seconds more: the last ran out of its bounds")

    def begin(self, key: AssetKey) -> None:
        """Let an asset rest whose fit has just run out of its bounds."""
        before = self._rests.get(key)
        seconds = min(2 * before.seconds, LONGEST_SECONDS) if before else self._first_seconds
        self._rests[key] = _Rest(seconds, self._clock.now_ns() + int(seconds * NS))

    def forget(self, key: AssetKey) -> None:
        """Start from the shortest rest again: a fit of this asset has succeeded."""
        self._rests.pop(key, None)
