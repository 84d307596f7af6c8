"""Who owns a partition: a key its owner writes again and again. Politeness only: the fence is the commit.

No clocks are compared: a lease is free when its revision has not changed for a while of one's own time.
"""

import secrets
import time

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEASES

RENEW_SECONDS = 1.0
EXPIRE_SECONDS = 3.0


class Lease:
    """A worker's claim on one partition."""

    def __init__(self, bus: Bus, partition: int) -> None:
        self._bus = bus
        self._key = f"partition.{partition}"
        self._name = secrets.token_hex(8).encode()
        self._revision = 0
        self._renewed = float("-inf")
        self._seen: tuple[int, float] = (-1, 0.0)

    async def hold(self) -> bool:
        """Take or renew the lease; False while another worker holds it. Cheap when called often."""
        now = time.monotonic()
        if now - self._renewed < RENEW_SECONDS:
            return True
        found = await self._bus.get_key(LEASES, self._key)
        revision = 0 if found is None else found[1]
        if revision != self._revision or not revision:
            if revision and self._seen[0] != revision:
                self._seen = (revision, now)
            if revision and now - self._seen[1] < EXPIRE_SECONDS:
                return False
        try:
            self._revision = await self._bus.put_key(LEASES, self._key, self._name, revision=revision)
        except FencedError:
            return False
        self._renewed = now
        return True

    async def release(self) -> None:
        """Give the lease up, so that another worker need not wait."""
        if self._renewed > float("-inf"):
            await self._bus.delete_key(LEASES, self._key)
            self._renewed = float("-inf")
