"""How far a sink has come in each partition, and what its target refused: in a bucket of the store itself.

So both go with the store wherever it is copied, and never tell of another one.
"""

from typing import NamedTuple

import msgspec

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, SINKS, outcomes_subject
from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import from_token, to_token
from iot_edge_anomaly.sinks.wording import AlarmMessage, message

WHOLE_COMMIT = (1 << 31) - 1
"""More transitions than a commit holds: behind this number lies the next commit."""


class Place(NamedTuple):
    """The last transition that was dealt with: its commit, and its number in there."""

    position: int
    number: int


START = Place(0, 0)


def place_of(posting: Posting) -> Place:
    """Return the place that is reached when this was dealt with."""
    return Place(posting.position, posting.number)


class Refusal(msgspec.Struct, frozen=True):
    """What a target will never take, and what it said."""

    why: str
    at: float
    message: AlarmMessage


class Places:
    """The places of one sink. Every write names the revision that was seen: of two that deliver for it one gets on."""

    def __init__(self, bus: Bus, sink: str, *, from_start: bool) -> None:
        self._bus = bus
        self._token = to_token(sink)
        self._sink = sink
        self._from_start = from_start
        self._known: dict[int, tuple[Place, int]] = {}

    async def of(self, partition: int) -> Place:
        """Return the place, the one to begin at for a new sink. Raises UnavailableError."""
        if partition not in self._known:
            self._known[partition] = await self._stored(partition)
        return self._known[partition][0]

    async def again(self, partition: int) -> Place:
        """Return the place as it is stored now: somebody else may have moved it on. Raises UnavailableError."""
        self._known.pop(partition, None)
        return await self.of(partition)

    async def store(self, partition: int, place: Place) -> None:
        """Go on to a place. Raises UnavailableError: then look again where the sink is, it may be either."""
        _, revision = self._known.pop(partition)
        self._known[partition] = (place, await self._put(partition, place, revision))

    async def refuse(self, refusal: Refusal) -> None:
        """Keep what the target refused; of each sink the latest 64."""
        await self._bus.put_key(SINKS, f"refused.{self._token}", msgspec.json.encode(refusal))

    async def refused(self) -> list[Refusal]:
        """Return what the target refused lately, oldest first."""
        versions = await self._bus.versions(SINKS, f"refused.{self._token}")
        return [msgspec.json.decode(value, type=Refusal) for value, _ in versions]

    async def _stored(self, partition: int) -> tuple[Place, int]:
        found = await self._bus.get_key(SINKS, self._key(partition))
        if found is not None:
            return msgspec.msgpack.decode(found[0], type=Place), found[1]
        place = START if self._from_start else await self._present(partition)
        return place, await self._put(partition, place, 0)

    async def _present(self, partition: int) -> Place:
        newest = await self._bus.last(OUTCOMES, outcomes_subject(partition))
        return START if newest is None else Place(newest.seq, WHOLE_COMMIT)

    async def _put(self, partition: int, place: Place, revision: int) -> int:
        try:
            return await self._bus.put_key(
                SINKS, self._key(partition), msgspec.msgpack.encode(place), revision=revision
            )
        except FencedError as error:
            why = f"sink {self._sink} was moved on by somebody else; does another process deliver for it too?"
            raise UnavailableError(why) from error

    def _key(self, partition: int) -> str:
        return f"place.{self._token}.{partition}"


async def known_sinks(bus: Bus) -> list[str]:
    """Return the names of the sinks that ever began to hand alarms on from this store."""
    return sorted({from_token(key.split(".")[1]) for key in await bus.keys(SINKS, "place.*.*")})


def refusal_of(posting: Posting, why: str, at: float) -> Refusal:
    """Return what is kept of a transition that was refused."""
    return Refusal(why, at, message(posting))
