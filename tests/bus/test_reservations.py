"""What a reader has reserved stays, however full the store is, and it is said loudly who holds it back."""

import itertools

import pytest
import structlog
from books import PARTITIONS, bring_in, checkpoint, commit, work

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.janitor import (
    HELD_BACK,
    NEARLY_FULL,
    START_AT,
    purge_outcomes,
    purge_readings,
    purge_when_full,
)
from iot_edge_anomaly.bus.ledger import reconcile
from iot_edge_anomaly.bus.reservations import readers, register, release, reserve, reserved, settle
from iot_edge_anomaly.bus.streams import LEDGER, OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError

pytestmark = [pytest.mark.anyio, pytest.mark.server]

EVERYTHING = 1 << 40
PURGES = {READINGS: (purge_readings, readings_subject), OUTCOMES: (purge_outcomes, outcomes_subject)}


async def stored(bus: Bus, stream: str, partition: int) -> list[int]:
    return [message.seq for message in await bus.read(stream, PURGES[stream][1](partition), 0)]


async def fill(bus: Bus, share: float) -> int:
    """Store input that cannot be read until so much of the quota is used; return the last sequence."""
    seq = 0
    while await used(bus) < share:
        seq = await bus.publish(readings_subject(0), b"\x01" + bytes(1 << 19))
    return seq


async def used(bus: Bus) -> float:
    info = await bus.stream_info(READINGS)
    return float(info["state"]["bytes"]) / int(info["config"]["max_bytes"])


async def test_the_slowest_counts_until_it_is_released(nats_bus: Bus) -> None:
    await reserve(nats_bus, "historian", READINGS, {0: 7, 1: 3})
    await reserve(nats_bus, "historian", OUTCOMES, {0: 2})
    await reserve(nats_bus, "views", OUTCOMES, {0: 5, 1: 9})
    assert await reserved(nats_bus) == {READINGS: {0: 7, 1: 3}, OUTCOMES: {0: 2, 1: 9}}
    assert (await readers(nats_bus))[OUTCOMES] == {"historian": {0: 2}, "views": {0: 5, 1: 9}}
    await release(nats_bus, "historian")
    assert await reserved(nats_bus) == {OUTCOMES: {0: 5, 1: 9}}


async def test_who_registers_holds_all_of_it_and_keeps_the_place_it_had(nats_bus: Bus) -> None:
    await reserve(nats_bus, "views", OUTCOMES, {0: 5, 1: 9})
    for _ in range(2):
        await register(nats_bus, "views", [OUTCOMES], PARTITIONS)
        await register(nats_bus, "historian", [READINGS], PARTITIONS)
    assert await reserved(nats_bus) == {READINGS: {0: 0, 1: 0}, OUTCOMES: {0: 5, 1: 9}}


async def test_who_is_switched_off_is_released_and_who_comes_back_begins_anew(nats_bus: Bus) -> None:
    await settle(nats_bus, {"historian": [READINGS, OUTCOMES], "views": [OUTCOMES]}, PARTITIONS)
    await reserve(nats_bus, "views", OUTCOMES, {0: 5, 1: 9})
    await settle(nats_bus, {"views": [OUTCOMES]}, PARTITIONS)
    assert await reserved(nats_bus) == {OUTCOMES: {0: 5, 1: 9}}
    await settle(nats_bus, {"historian": [OUTCOMES]}, PARTITIONS)
    assert await readers(nats_bus) == {OUTCOMES: {"historian": {0: 0, 1: 0}}}


@pytest.mark.parametrize("stream", PURGES)
async def test_nothing_above_a_reservation_is_purged_and_the_books_balance(nats_bus: Bus, stream: str) -> None:
    await work(nats_bus, 6)
    purge, _ = PURGES[stream]
    before = {partition: await stored(nats_bus, stream, partition) for partition in range(PARTITIONS)}
    for place in range(4):
        done = {partition: seqs[place] for partition, seqs in before.items()}
        await reserve(nats_bus, "slow", stream, done)
        await reserve(nats_bus, "fast", stream, dict.fromkeys(done, EVERYTHING))
        for partition in range(PARTITIONS):
            await purge(nats_bus, partition, EVERYTHING)
            left = await stored(nats_bus, stream, partition)
            assert left == [seq for seq in before[partition] if seq > done[partition] or seq == before[partition][-1]]
    assert (await reconcile(nats_bus, PARTITIONS)).is_balanced
    await release(nats_bus, "slow")
    assert await purge(nats_bus, 0, EVERYTHING)


async def test_a_full_store_purges_no_reserved_input_and_says_who_holds_it_back(nats_bus: Bus) -> None:
    await register(nats_bus, "historian", [READINGS], PARTITIONS)
    await register(nats_bus, "views", [OUTCOMES], PARTITIONS)
    await checkpoint(nats_bus, 0, await fill(nats_bus, START_AT + 0.05), needed_from=1)
    with structlog.testing.capture_logs() as logs:
        await purge_when_full(nats_bus, PARTITIONS)
        assert not HELD_BACK[READINGS].is_down, "there is room still"
        await checkpoint(nats_bus, 0, last := await fill(nats_bus, NEARLY_FULL), needed_from=1)
        for _ in range(3):
            await purge_when_full(nats_bus, PARTITIONS)
    said = [entry for entry in logs if entry["event"] == "making room in READINGS is down"]
    assert [entry["by"] for entry in said] == [["historian"]]
    assert len(await nats_bus.read(READINGS, readings_subject(0), 0, max_messages=1)) == 1
    first = await nats_bus.first(READINGS, readings_subject(0))
    assert first is not None
    assert first.seq == 1
    await reserve(nats_bus, "historian", READINGS, {0: last, 1: 0})
    await purge_when_full(nats_bus, PARTITIONS)
    assert not HELD_BACK[READINGS].is_down
    assert await used(nats_bus) < START_AT


async def test_a_partition_that_is_idle_holds_nothing_back(nats_bus: Bus) -> None:
    idle = await bring_in(nats_bus, 1, 1)
    await checkpoint(nats_bus, 1, idle)
    await commit(nats_bus, 1, idle - 1, idle)
    await reserve(nats_bus, "historian", READINGS, {0: EVERYTHING, 1: idle})
    last = await fill(nats_bus, NEARLY_FULL + 0.02)
    await purge_when_full(nats_bus, PARTITIONS)
    assert not HELD_BACK[READINGS].is_down, "the worker is what is behind"
    await checkpoint(nats_bus, 0, last)
    await purge_when_full(nats_bus, PARTITIONS)
    assert await used(nats_bus) < START_AT


async def test_where_a_reservation_cannot_be_read_nothing_is_purged(nats_bus: Bus) -> None:
    await work(nats_bus, 3)
    await nats_bus.put_key(LEDGER, "reserved.historian.READINGS", b"\xc1")
    for stream, (purge, _) in PURGES.items():
        before = await stored(nats_bus, stream, 0)
        with pytest.raises(RejectedError, match=r"reserved\.historian\.READINGS in the bucket ledger cannot be read"):
            await purge(nats_bus, 0, EVERYTHING)
        assert await stored(nats_bus, stream, 0) == before


async def test_a_reader_moves_its_place_in_a_store_that_is_full(nats_bus: Bus) -> None:
    await checkpoint(nats_bus, 0, await fill(nats_bus, NEARLY_FULL))
    await register(nats_bus, "historian", [READINGS], PARTITIONS)
    with pytest.raises(UnavailableError):
        await fill(nats_bus, 2.0)
    for position in itertools.islice(itertools.count(1, 10), 4):
        await reserve(nats_bus, "historian", READINGS, {0: position, 1: EVERYTHING})
    await purge_when_full(nats_bus, PARTITIONS)
    first = await nats_bus.first(READINGS, readings_subject(0))
    assert first is not None
    assert first.seq == 32
