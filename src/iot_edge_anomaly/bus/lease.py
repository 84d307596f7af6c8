"""Who owns a partition: a key its owner writes again and again. Politeness only: the fence is the commit.

| the key is | it has not changed for | do |
|---|---|---|
| not there, or given up (empty) | | take it |
| mine | | renew it |
| another's | less than EXPIRE_SECONDS | wait |
| another's | longer | take it |

Every write names the revision that was seen: of two who want it one gets it, and only the owner can give it up. No
clocks are compared: how long a key has not changed is told by one's own.
"""

import secrets
import time
from collections.abc import Callable

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEASES

RENEW_SECONDS = 1.0
EXPIRE_SECONDS = 3.0
GIVEN_UP = b""


class Lease:
    """A worker's claim on one partition."""

    def __init__(self, bus: Bus, partition: int, now: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._key = f"partition.{partition}"
        self._name = secrets.token_hex(8).encode()
        self._now = now
        self._renewed = float("-inf")
        self._seen: tuple[int, float] = (-1, 0.0)

    async def hold(self) -> bool:
        """Take or renew the lease; False while another worker holds it. Cheap when called often."""
        now = self._now()
        if now - self._renewed < RENEW_SECONDS:
            return True
        value, revision = await self._bus.get_key(LEASES, self._key) or (GIVEN_UP, 0)
        if not self._may_write(value, revision, now):
            return False
        try:
            await self._bus.put_key(LEASES, self._key, self._name, revision=revision)
        except FencedError:
            return False
        self._renewed = now
        return True

    async def release(self) -> None:
        """Give the lease up, so that another worker need not wait; nothing happens where it is another's by now."""
        self._renewed = float("-inf")
        value, revision = await self._bus.get_key(LEASES, self._key) or (GIVEN_UP, 0)
        if value == self._name:
            try:
                await self._bus.put_key(LEASES, self._key, GIVEN_UP, revision=revision)
            except FencedError:
                return

    def _may_write(self, value: bytes, revision: int, now: float) -> bool:
        if value in (GIVEN_UP, self._name):
            return True
        if self._seen[0] != revision:
            self._seen = (revision, now)
        return now - self._seen[1] >= EXPIRE_SECONDS
