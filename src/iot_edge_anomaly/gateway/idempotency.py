"""Repeat the answer to a request that comes again with the same `Idempotency-Key`.

Honest limits: answers are kept in the memory of this process, the newest `CAPACITY` of them, so a restart forgets
them. Readings need no key: source, epoch and sequence make them count once, for ever.
"""

import hashlib
from typing import NamedTuple

from iot_edge_anomaly.gateway.problems import ProblemError
from iot_edge_anomaly.security.principal import Principal

CAPACITY = 10_000
MAX_KEY_LENGTH = 255


class KeptAnswer(NamedTuple):
    """What was answered: the body is of the type that the route always answers with."""

    status: int
    body: bytes


class _Entry:
    __slots__ = ("answer", "digest")

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.answer: KeptAnswer | None = None


Scope = tuple[Principal, str, str]
"""Who, route and key. Names of principals are not unique, tenants and permissions tell them apart."""


class Answers:
    """The answers of this process by principal, route and key."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._entries: dict[Scope, _Entry] = {}

    def begin(self, scope: Scope, body: bytes) -> KeptAnswer | None:
        """Return the answer given before, or None: then the request is under way until `finish` or `abandon`.

        Raises ProblemError: 400 for an unusable key, 409 while the first request is under way, 422 when the key came
        with another body before.
        """
        if not 1 <= len(scope[2]) <= MAX_KEY_LENGTH:
            raise ProblemError(
                400, "rejected", "Unusable key", f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters"
            )
        digest = hashlib.sha256(body).digest()
        entry = self._entries.get(scope)
        if entry is None:
            self._entries[scope] = _Entry(digest)
            self._forget_oldest()
            return None
        if entry.digest != digest:
            raise ProblemError(
                422, "key-reused", "Key used twice", "this Idempotency-Key came with another body before; use a new one"
            )
        if entry.answer is None:
            raise ProblemError(
                409,
                "under-way",
                "Still under way",
                "the first request with this Idempotency-Key has no answer yet; wait",
            )
        return entry.answer

    def finish(self, scope: Scope, answer: KeptAnswer) -> None:
        """Keep the answer."""
        if entry := self._entries.get(scope):
            entry.answer = answer

    def abandon(self, scope: Scope) -> None:
        """Forget a request that failed: it may be tried again."""
        self._entries.pop(scope, None)

    def _forget_oldest(self) -> None:
        while len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]
