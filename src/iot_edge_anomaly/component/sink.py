"""What a sink is, and where the runner gets from what it hands to one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

import msgspec

from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent


class Posting(NamedTuple):
    """One transition of one alarm on its way out, and its place in the stream.

    `position` is the sequence of its commit in OUTCOMES, `number` its place among the transitions of that commit, from
    0 on. What a person sends to try a sink has position 0, which no commit has.
    """

    key: AssetKey
    event: AlarmEvent
    partition: int
    position: int
    number: int

    @property
    def id(self) -> str:
        """The same at every attempt, so that a receiver can find repeats; of another store it is another one."""
        return f"{self.partition}-{self.position}-{self.number}-{self.event.alarm_id or 'none'}"

    @property
    def is_test(self) -> bool:
        """Whether a person sent it to try the sink: it tells of no alarm."""
        return self.position == 0


class AlarmFeed(Protocol):
    """The transitions of alarms in the order of the stream."""

    async def after(self, partition: int, position: int, number: int, limit: int) -> Sequence[Posting]:
        """Return the next transitions behind a place, at once; empty where there are none. Raises UnavailableError."""
        ...

    async def missing(self, partition: int) -> int:
        """Return up to which position some transitions are lacking: purged before they got here, or since. 0: none."""
        ...


class DeferredError(UnavailableError):
    """Retry, but not before so many seconds: the target has said so, or trying more often would do harm."""

    def __init__(self, text: str, after_seconds: float) -> None:
        super().__init__(text)
        self.after_seconds = after_seconds


class PartlyTakenError(DeferredError):
    """Retry with the same sink: some of those behind the target have it, and it knows who lacks it."""


class Sink(Protocol):
    """One attempt to hand transitions on. The runner retries, keeps the place, measures; a sink does not."""

    async def deliver(self, postings: Sequence[Posting]) -> None:
        """Return once the target has taken every one of them, in order; of none, once it is known to be reachable
        (which may rest on a look a few minutes ago), or at once where the spec says that it cannot be asked.

        Raises UnavailableError where another attempt may help (all of them are handed in again, to a sink made anew;
        after a PartlyTakenError to this one),
        RejectedError where the target will never take what it was given (handed in one by one then, and set aside),
        ConfigError when a person must change the settings. Ends in bounded time.
        """
        ...


class SinkSpec(NamedTuple):
    """A sink's line in the catalog.

    `settings` is a frozen struct tagged with `name`; `create` touches no network; what it returns holds the connection
    for the time of the block and raises as `deliver` does. `most` are handed in at once: 1 where each is a call of its
    own, so that those before the one that fails are not repeated. `can_check`: delivering none shows whether the target
    is there; where it does not, for there is no harmless question, a sink is not up before the target has answered.
    """

    name: str
    settings: type[msgspec.Struct]
    create: Callable[[Any], AbstractAsyncContextManager[Sink]]
    most: int
    can_check: bool = True
