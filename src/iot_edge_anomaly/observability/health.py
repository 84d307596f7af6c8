"""Facts about whether a process can do its work, for `/readyz`, `status` and `doctor`."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One fact. `detail` says what is wrong and what to do, or what was found."""

    name: str
    ok: bool
    detail: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether work can be taken, and the facts that this rests on."""

    ready: bool
    checks: tuple[Check, ...]


def readiness(checks: Iterable[Check]) -> Readiness:
    """Return ready if every fact holds."""
    facts = tuple(checks)
    return Readiness(all(fact.ok for fact in facts), facts)


class State(StrEnum):
    """What a part that needs somebody outside is doing."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    STOPPED = "stopped"
