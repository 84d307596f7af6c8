"""How far each partition has come, and how full the store is: what pages and commands show of the streams."""

import msgspec

from iot_edge_anomaly.bus.checkpoint import read_manifest
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.reservations import readers
from iot_edge_anomaly.bus.streams import BLOBS, OUTCOMES, READINGS, outcomes_subject, readings_subject


class Progress(msgspec.Struct, frozen=True):
    """How far a partition has come: the last message that came in, and the last one worked in for good.

    Ticks that change nothing are counted with the next checkpoint, so an idle partition is some seconds behind.
    """

    partition: int
    last: int
    committed: int


class Fill(msgspec.Struct, frozen=True):
    """How full a part of the store is; `most_bytes` 0: it has no bound of its own."""

    what: str
    bytes: int
    most_bytes: int
    messages: int


async def progress(bus: Bus, partitions: int) -> list[Progress]:
    """Return how far each partition has come. Raises UnavailableError."""
    return [await _progress(bus, number) for number in range(partitions)]


async def fills(bus: Bus, quota_bytes: int) -> list[Fill]:
    """Return how full the streams are, and all of the store against its quota. Raises UnavailableError."""
    found = [await _fill(bus, stream) for stream in (READINGS, OUTCOMES, BLOBS)]
    used = int((await bus.account_info())["storage"])
    return [*found, Fill("all", used, quota_bytes, sum(one.messages for one in found))]


async def _fill(bus: Bus, stream: str) -> Fill:
    info = await bus.stream_info(stream)
    state, most = info["state"], int(info["config"].get("max_bytes", -1))
    return Fill(stream, int(state["bytes"]), max(most, 0), int(state["messages"]))


async def _progress(bus: Bus, number: int) -> Progress:
    came_in = await bus.last(READINGS, readings_subject(number))
    commit = await bus.last(OUTCOMES, outcomes_subject(number))
    checkpoint = await read_manifest(bus, number)
    committed = decode_commit(commit.data).last_seq if commit else 0
    position = checkpoint[0].position if checkpoint else 0
    return Progress(number, came_in.seq if came_in else 0, max(committed, position))


class Lag(msgspec.Struct, frozen=True):
    """How far a reader is behind the end of a stream, in sequences; what it has not worked in stays in the store."""

    reader: str
    stream: str
    behind: int


async def lags(bus: Bus, partitions: int) -> list[Lag]:
    """Return how far readers are behind that reserve what they still want. Raises UnavailableError, RejectedError."""
    found = []
    for stream, positions_of in sorted((await readers(bus)).items()):
        ends = await _ends(bus, stream, partitions)
        for reader, positions in sorted(positions_of.items()):
            behind = sum(max(end - positions.get(number, 0), 0) for number, end in ends.items())
            found.append(Lag(reader, stream, behind))
    return found


async def _ends(bus: Bus, stream: str, partitions: int) -> dict[int, int]:
    subject_of = readings_subject if stream == READINGS else outcomes_subject
    newest = {number: await bus.last(stream, subject_of(number)) for number in range(partitions)}
    return {number: message.seq for number, message in newest.items() if message is not None}
