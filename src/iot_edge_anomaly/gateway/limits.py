"""How much one principal may ask: a token bucket each (RFC 9110 429, IETF `RateLimit` header fields)."""

import math
import time
from collections.abc import Callable

from iot_edge_anomaly.gateway.problems import ProblemError


class _Bucket:
    __slots__ = ("at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left = left
        self.at = at


class RateLimits:
    """Buckets by name of principal: as many as there are principals with a token."""

    def __init__(self, per_second: int, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}
        self.policy = f'"principal";q={burst};w={max(1, math.ceil(burst / per_second))}'

    def take(self, name: str) -> str:
        """Take one request and return the `RateLimit` header. Raises ProblemError (429) when the bucket is empty."""
        now = self._monotonic()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._burst, now)
        left = min(self._burst, bucket.left + (now - bucket.at) * self._per_second)
        bucket.at = now
        if left < 1:
            bucket.left = left
            raise self._exceeded((1 - left) / self._per_second)
        bucket.left = left - 1
        return f'"principal";r={int(left - 1)}'

    def _exceeded(self, wait_seconds: float) -> ProblemError:
        seconds = max(1, math.ceil(wait_seconds))
        return ProblemError(
            429,
            "rate-limit",
            "Too many requests",
            f"this principal may send {self._per_second} requests a second, {self._burst} at once; "
            f"wait {seconds} s, or send more rows a request",
            {"Retry-After": str(seconds), "RateLimit-Policy": self.policy, "RateLimit": f'"principal";r=0;t={seconds}'},
        )
