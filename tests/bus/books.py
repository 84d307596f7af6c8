"""A store whose books balance, made without a pipeline: what came in, what became of it, checkpoints."""

from collections.abc import Sequence

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import FORMAT, Capsule
from iot_edge_anomaly.bus.checkpoint import read_checkpoint, write_checkpoint
from iot_edge_anomaly.bus.codec import encode_commit, encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import outcomes_subject, readings_subject
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.messages import Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, AssetOutcome, Commit, Phase, Priority, SourceCount

PARTITIONS = 2


def key_of(partition: int) -> AssetKey:
    return AssetKey("acme", f"pump-{partition}")


async def bring_in(bus: Bus, partition: int, sequence: int) -> int:
    """Store a tick and a batch of three values; return its sequence."""
    readings = [(sequence * 10 + number, "flow", 1.0) for number in range(3)]
    batch = batch_of(key_of(partition), "plc", readings, received_ns=sequence, sequence=sequence)
    await bus.publish(readings_subject(partition), encode_items([Tick(sequence)]))
    return await bus.publish(readings_subject(partition), encode_items([batch]))


async def commit(bus: Bus, partition: int, first_seq: int, last_seq: int, batches: int = 1) -> int:
    """Say what became of batches: of three values two are used, one is late; return the sequence of the commit."""
    key = key_of(partition)
    count = SourceCount("plc", accepted=3 * batches, used=2 * batches, late=batches)
    outcome = AssetOutcome(key.tenant, key.asset, Phase.LEARNING, 0.0, (count,))
    data = encode_commit(Commit(partition, first_seq, last_seq, 1, (outcome,)))
    return await bus.publish(outcomes_subject(partition), data)


async def bring_in_by(bus: Bus, sources: Sequence[str], partition: int = 0) -> None:
    """Bring in one value of each source in one message, commit that it was used, and checkpoint."""
    key = key_of(partition)
    batches = [batch_of(key, source, [(1, "flow", 1.0)], received_ns=1) for source in sources]
    seq = await bus.publish(readings_subject(partition), encode_items(batches))
    counts = tuple(SourceCount(source, accepted=1, used=1) for source in sources)
    outcome = AssetOutcome(key.tenant, key.asset, Phase.LEARNING, 0.0, counts)
    await bus.publish(outcomes_subject(partition), encode_commit(Commit(partition, seq, seq, 1, (outcome,))))
    await checkpoint(bus, partition, seq)


async def checkpoint(bus: Bus, partition: int, position: int, needed_from: int | None = None) -> None:
    blobs = Blobs(bus)
    before = await read_checkpoint(bus, blobs, partition)
    dump = Dump(b"shared", {key_of(partition): b"state at %d" % position})
    await write_checkpoint(bus, blobs, partition, before, position, dump, needed_from, set())


async def work(bus: Bus, rounds: int, start: int = 0) -> dict[int, list[int]]:
    """Bring in and commit batch after batch in every partition, checkpoint at the end; return the batches' places."""
    places: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
    for sequence in range(start, start + rounds):
        for partition, known in places.items():
            seq = await bring_in(bus, partition, sequence)
            await commit(bus, partition, seq - 1, seq)
            known.append(seq)
    for partition, known in places.items():
        await checkpoint(bus, partition, known[-1])
    return places


def capsule_of(alarm_id: str, size: int = 0) -> Capsule:
    """A capsule of an alarm that nothing led to, with a state of its own."""
    alarm = AlarmEvent(
        alarm_id, "I1", "score", "raise", AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, 1, Priority.LOW, ""
    )
    return Capsule(FORMAT, 0, "acme", "pump-0", None, alarm_id.encode().ljust(size, b"."), (), {}, alarm)
