"""Group commit: durable when it returns, in order, together, bounded, and one caller's trouble stays their own."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from bus_server import BusServer

from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import MAX_WAITING_BYTES, GroupCommit, open_intake
from iot_edge_anomaly.bus.streams import READINGS, readings_subject
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Acknowledge, Batch, Envelope, Item, PlantConfigured, Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey, partition_of

pytestmark = [pytest.mark.anyio, pytest.mark.server]

PARTITIONS = 2
PUMP = AssetKey("acme", "site/pump")


@pytest.fixture
async def intake(nats_bus: Bus) -> AsyncIterator[GroupCommit]:
    async with open_intake(nats_bus, PARTITIONS) as opened:
        yield opened


def batch(sequence: int, key: AssetKey = PUMP, source: str = "plc") -> Batch:
    return batch_of(
        key, source, [(1_700_000_000_000_000_000, "flow", float(sequence))], received_ns=1, sequence=sequence
    )


def large(sequence: int, size: int) -> Batch:
    column = np.zeros(size // 24, "<i8").tobytes()
    return Batch(PUMP.tenant, PUMP.asset, "plc", 0, sequence, 1, ("flow",), column, column, column)


async def envelopes(bus: Bus, partition: int) -> list[Envelope]:
    found: list[Envelope] = []
    while messages := await bus.read(READINGS, readings_subject(partition), found[-1].seq + 1 if found else 0):
        found += [decode_envelope(message.data, message.seq) for message in messages]
    return found


async def items(bus: Bus, partition: int = partition_of(PUMP, PARTITIONS)) -> list[Item]:
    return [item for envelope in await envelopes(bus, partition) for item in envelope.items]


async def sequences(bus: Bus) -> list[int]:
    return [item.sequence for item in await items(bus) if isinstance(item, Batch)]


async def test_what_returned_is_in_the_stream_as_it_was(nats_bus: Bus, intake: GroupCommit) -> None:
    sent = (batch(1), Acknowledge("acme", "site/pump", "", 5, "ann"), batch(2))
    await intake.accept(sent)
    assert tuple(await items(nats_bus)) == sent


async def test_calls_of_one_moment_share_messages_and_keep_their_order(nats_bus: Bus, intake: GroupCommit) -> None:
    await asyncio.gather(*[intake.accept((batch(number),)) for number in range(500)])
    assert await sequences(nats_bus) == list(range(500))
    assert len(await envelopes(nats_bus, partition_of(PUMP, PARTITIONS))) < 50


async def test_each_asset_goes_to_its_partition_and_configuration_to_all(nats_bus: Bus, intake: GroupCommit) -> None:
    keys = [AssetKey("acme", f"site/pump-{number}") for number in range(20)]
    rules = PlantConfigured("v1", b"{}", 1)
    await intake.accept((*(batch(1, key) for key in keys), rules))
    for partition in range(PARTITIONS):
        found = await items(nats_bus, partition)
        assert rules in found
        assert {item.key for item in found if isinstance(item, Batch)} == {
            key for key in keys if partition_of(key, PARTITIONS) == partition
        }


async def test_a_tick_belongs_to_the_partition_that_is_named(nats_bus: Bus, intake: GroupCommit) -> None:
    await intake.accept_in(1, (Tick(7),))
    assert await items(nats_bus, 1) == [Tick(7)]
    assert await items(nats_bus, 0) == []
    with pytest.raises(RejectedError, match="name its partition"):
        await intake.accept((Tick(8),))


async def test_one_item_that_no_message_can_hold_is_rejected_and_harms_nobody(
    nats_bus: Bus, intake: GroupCommit
) -> None:
    too_large = Acknowledge("acme", "site/pump", "", 5, "ann", "x" * nats_bus.max_payload_bytes)
    outcomes = await asyncio.gather(
        intake.accept((batch(1),)),
        intake.accept((batch(2), too_large)),
        intake.accept((batch(3),)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], RejectedError)
    assert await sequences(nats_bus) == [1, 3]


async def test_a_call_larger_than_a_message_is_cut_between_items(nats_bus: Bus, intake: GroupCommit) -> None:
    await intake.accept([large(number, 3 << 20) for number in range(5)])
    assert await sequences(nats_bus) == list(range(5))
    assert [len(e.items) for e in await envelopes(nats_bus, partition_of(PUMP, PARTITIONS))] == [2, 2, 1]


async def test_a_call_smaller_than_a_message_stays_together(nats_bus: Bus, intake: GroupCommit) -> None:
    await intake.accept([large(number, 1 << 20) for number in range(6)])
    assert [len(e.items) for e in await envelopes(nats_bus, partition_of(PUMP, PARTITIONS))] == [6]


async def test_what_waits_is_bounded(intake: GroupCommit) -> None:
    piece = 4 << 20
    count = MAX_WAITING_BYTES // piece + 4
    outcomes = await asyncio.gather(
        *[intake.accept((large(number, piece),)) for number in range(count)], return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, UnavailableError)]
    assert any("slower than what comes in" in str(error) for error in refused)


async def test_a_full_stream_is_unavailable_and_goes_on_after_a_purge(nats_bus: Bus, intake: GroupCommit) -> None:
    accepted = 0

    async def fill() -> None:
        nonlocal accepted
        while True:
            await intake.accept((large(accepted, 2 << 20),))
            accepted += 1

    with pytest.raises(UnavailableError, match="maximum bytes"):
        await fill()
    assert await sequences(nats_bus) == list(range(accepted))
    await nats_bus.purge_subject(READINGS, "readings.*")
    await intake.accept((batch(99),))
    assert await sequences(nats_bus) == [99]


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(nats_bus: Bus, intake: GroupCommit) -> None:
    hurried = asyncio.create_task(intake.accept((batch(1),)))
    patient = asyncio.create_task(intake.accept((batch(2),)))
    await asyncio.sleep(0)
    hurried.cancel()
    await patient
    assert 2 in await sequences(nats_bus)
    with pytest.raises(asyncio.CancelledError):
        await hurried


async def test_what_was_handed_in_is_stored_before_the_intake_ends_and_nothing_after(nats_bus: Bus) -> None:
    async with open_intake(nats_bus, PARTITIONS) as intake:
        call = asyncio.create_task(intake.accept((batch(1),)))
        await asyncio.sleep(0)
    await call
    assert await sequences(nats_bus) == [1]
    with pytest.raises(UnavailableError, match="stopping"):
        await intake.accept((batch(2),))


async def test_callers_of_an_intake_that_is_torn_down_do_not_wait_for_ever(
    bus_server: BusServer, nats_bus: Bus
) -> None:
    bus_server.kill()

    async def serve(calls: list["asyncio.Task[None]"]) -> None:
        async with open_intake(nats_bus, PARTITIONS) as intake:
            calls += [asyncio.create_task(intake.accept((batch(number),))) for number in range(3)]
            await asyncio.Event().wait()

    calls: list[asyncio.Task[None]] = []
    serving = asyncio.create_task(serve(calls))
    while not calls:
        await asyncio.sleep(0)
    serving.cancel()
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
    assert all(isinstance(outcome, UnavailableError) for outcome in outcomes)


async def test_accepted_means_stored_once_although_the_server_is_killed(
    bus_server: BusServer, nats_bus: Bus, intake: GroupCommit
) -> None:
    """Callers that are refused hand the same batch in again, as connectors do."""
    senders, each = 10, 40
    done = 0

    async def send(sender: int) -> None:
        nonlocal done
        for number in range(each):
            while True:
                try:
                    await intake.accept((batch(number, source=f"plc-{sender}"),))
                    break
                except UnavailableError:
                    await asyncio.sleep(0.02)
            done += 1

    async def kill() -> None:
        for part in (1, 2):
            while done < part * senders * each // 3:
                await asyncio.sleep(0.001)
            bus_server.kill()
            await bus_server.start()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        for sender in range(senders):
            tasks.create_task(send(sender))
    found: dict[str, list[int]] = {}
    for item in await items(nats_bus):
        assert isinstance(item, Batch)
        found.setdefault(item.source, []).append(item.sequence)
    assert found == {f"plc-{sender}": list(range(each)) for sender in range(senders)}


async def test_what_no_message_can_hold_is_refused_at_once_however_much_it_is(intake: GroupCommit) -> None:
    with pytest.raises(RejectedError, match="more than the"):
        await intake.accept((large(1, MAX_WAITING_BYTES + (1 << 20)),))
    await intake.accept((batch(2),))


async def test_one_call_is_taken_whatever_its_size_while_nothing_waits(nats_bus: Bus, intake: GroupCommit) -> None:
    await intake.accept([large(number, 4 << 20) for number in range(MAX_WAITING_BYTES // (4 << 20) + 2)][:3])
    assert await sequences(nats_bus) == [0, 1, 2]
