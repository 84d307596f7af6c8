"""What readers of the streams have worked in: above it the janitor purges nothing, however full the store is.

Who must see every message reserves, by name and stream, what it still wants to read: it says for each partition up to
which sequence of the stream it is done for good. That binds until it is moved, or released by name. Kept in the bucket
LEDGER under `reserved.<who>.<stream>`.
"""

from collections.abc import Iterable, Mapping

import msgspec

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEDGER
from iot_edge_anomaly.core.errors import RejectedError

PREFIX = "reserved"

_decode = msgspec.msgpack.Decoder(dict[int, int]).decode


async def reserve(bus: Bus, who: str, stream: str, positions: Mapping[int, int]) -> None:
    """Say that a reader has worked in these partitions up to and with these sequences of the stream, for good.

    All partitions must be named: of one that is not, nothing is reserved. `who` is one word of a-z, digits and `-`.
    """
    await bus.put_key(LEDGER, _key(who, stream), msgspec.msgpack.encode(dict(positions)))


async def register(bus: Bus, who: str, streams: Iterable[str], partitions: int) -> None:
    """Reserve all of these streams for a reader that is about to start; where it has a reservation, that one stays."""
    nothing = msgspec.msgpack.encode(dict.fromkeys(range(partitions), 0))
    for stream in streams:
        try:
            await bus.put_key(LEDGER, _key(who, stream), nothing, revision=0)
        except FencedError:
            continue


async def release(bus: Bus, who: str) -> None:
    """Forget what a reader has reserved: it is not coming back."""
    for key in await bus.keys(LEDGER, f"{PREFIX}.{who}.*"):
        await bus.delete_key(LEDGER, key)


async def readers(bus: Bus) -> Mapping[str, Mapping[str, Mapping[int, int]]]:
    """Return who is done with what: stream -> reader -> partition -> sequence.

    Raises RejectedError where a reservation cannot be read: what it holds is not known, so nothing may be purged.
    """
    found: dict[str, dict[str, Mapping[int, int]]] = {}
    for key, (data, _) in (await bus.entries(LEDGER, f"{PREFIX}.*.*")).items():
        _, who, stream = key.split(".")
        try:
            found.setdefault(stream, {})[who] = _decode(data)
        except msgspec.MsgspecError as error:
            raise RejectedError(f"the reservation {key} in the bucket {LEDGER} cannot be read: {error}") from error
    return found


async def reserved(bus: Bus) -> Mapping[str, Mapping[int, int]]:
    """Return what the slowest is done with: stream -> partition -> sequence; what nobody reserves is not named."""
    slowest: dict[str, dict[int, int]] = {}
    for stream, positions_of in (await readers(bus)).items():
        kept = slowest.setdefault(stream, {})
        for positions in positions_of.values():
            for partition, position in positions.items():
                kept[partition] = min(position, kept.get(partition, position))
    return slowest


async def settle(bus: Bus, wanted: Mapping[str, Iterable[str]], partitions: int) -> None:
    """Register these readers with their streams, and release all others: those are switched off."""
    for who in {key.split(".")[1] for key in await bus.keys(LEDGER, f"{PREFIX}.*.*")} - wanted.keys():
        await release(bus, who)
    for who, streams in wanted.items():
        await register(bus, who, streams, partitions)


def _key(who: str, stream: str) -> str:
    return f"{PREFIX}.{who}.{stream}"
