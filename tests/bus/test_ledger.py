"""The books balance through purges, crashes and a second janitor; what was tampered with is found and named."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from books import PARTITIONS, bring_in, bring_in_by, checkpoint, commit, key_of, work
from bus_server import BusServer
from weak_link import WeakLink

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.janitor import purge_outcomes, purge_readings
from iot_edge_anomaly.bus.ledger import ATTEMPTS, Balance, reconcile
from iot_edge_anomaly.bus.pages import IN, OUT, Page, read_page, write_page
from iot_edge_anomaly.bus.streams import LEDGER, OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.core.errors import FatalError, UnavailableError

pytestmark = [pytest.mark.anyio, pytest.mark.server]

ROUNDS = 6
EVERYTHING = 1 << 40
Purge = Callable[[Bus, int, int], Awaitable[int]]
SIDES: dict[str, tuple[Purge, str]] = {IN: (purge_readings, READINGS), OUT: (purge_outcomes, OUTCOMES)}


async def stored(bus: Bus, stream: str, partition: int) -> list[int]:
    subject = readings_subject(partition) if stream == READINGS else outcomes_subject(partition)
    return [message.seq for message in await bus.read(stream, subject, 0)]


async def delete(bus: Bus, stream: str, seq: int) -> None:
    """What `nats stream rmm` does."""
    await bus._api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq})


def check_all_counted(balance: Balance, rounds: int = ROUNDS) -> None:
    assert balance.findings == ()
    assert balance.is_balanced
    assert [line.asset for line in balance.lines] == [str(key_of(number)) for number in range(PARTITIONS)]
    for line in balance.lines:
        assert (line.counted_in, line.accepted, line.used, line.late) == tuple(n * rounds for n in (3, 3, 2, 1))


async def test_all_that_was_committed_is_counted_and_what_waits_is_said(nats_bus: Bus) -> None:
    await work(nats_bus, ROUNDS)
    await bring_in(nats_bus, 1, 99)
    balance = await reconcile(nats_bus, PARTITIONS)
    check_all_counted(balance)
    assert balance.waiting_messages == 1, "the tick beside the batch is nothing that waits"


async def test_an_empty_store_balances(nats_bus: Bus) -> None:
    assert await reconcile(nats_bus, PARTITIONS) == Balance((), True, 0)


async def test_the_sums_stay_when_what_they_count_is_purged_and_purged_again(nats_bus: Bus) -> None:
    for start in range(0, 3 * ROUNDS, ROUNDS):
        await work(nats_bus, ROUNDS, start)
        for partition in range(PARTITIONS):
            assert await purge_readings(nats_bus, partition, EVERYTHING) == 2 * ROUNDS
            assert await purge_outcomes(nats_bus, partition, EVERYTHING) == ROUNDS - (not start)
            assert await stored(nats_bus, READINGS, partition) == []
            assert len(await stored(nats_bus, OUTCOMES, partition)) == 1
        check_all_counted(await reconcile(nats_bus, PARTITIONS), start + ROUNDS)


async def test_partitions_are_purged_each_as_far_as_it_may(nats_bus: Bus) -> None:
    await work(nats_bus, ROUNDS)
    places = await work(nats_bus, ROUNDS, ROUNDS)
    await purge_readings(nats_bus, 0, places[0][2])
    await purge_readings(nats_bus, 1, EVERYTHING)
    await purge_outcomes(nats_bus, 1, 5)
    assert (await stored(nats_bus, READINGS, 0))[0] == places[0][2]
    assert await stored(nats_bus, READINGS, 1) == []
    check_all_counted(await reconcile(nats_bus, PARTITIONS), 2 * ROUNDS)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("said", [b"PUB $KV.ledger.", b"PUB $JS.API.STREAM.PURGE."])
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
async def test_a_janitor_that_ends_at_any_point_has_counted_nothing_twice_and_lost_nothing(
    nats_bus: Bus, far_bus: Bus, link: WeakLink, side: str, said: bytes, is_done: bool
) -> None:
    purge, stream = SIDES[side]
    await work(nats_bus, ROUNDS)
    if is_done:
        link.mute_at(said)
    else:
        link.cut_at(said)
    dying = asyncio.create_task(purge(far_bus, 0, EVERYTHING))
    await asyncio.wait_for(link.reached.wait(), 10)
    if is_done:
        await asyncio.wait_for(link.swallowed.wait(), 10)
        link.cut()
    with pytest.raises(UnavailableError):
        await dying
    check_all_counted(await reconcile(nats_bus, PARTITIONS))
    await work(nats_bus, 1, ROUNDS)
    await purge(nats_bus, 0, EVERYTHING)
    assert len(await stored(nats_bus, stream, 0)) == (0 if side == IN else 1)
    check_all_counted(await reconcile(nats_bus, PARTITIONS), ROUNDS + 1)


@pytest.mark.parametrize("side", SIDES)
async def test_of_two_janitors_one_counts_and_the_other_gives_way(
    nats_bus: Bus, far_bus: Bus, link: WeakLink, side: str
) -> None:
    purge, stream = SIDES[side]
    places = await work(nats_bus, ROUNDS)
    link.hold_at(f"PUB $JS.API.DIRECT.GET.{stream} ".encode() if side == IN else b'"next_by_subj": "outcomes.')
    slow = asyncio.create_task(purge(far_bus, 0, EVERYTHING))
    await asyncio.wait_for(link.reached.wait(), 10)
    await purge(nats_bus, 0, places[0][2])
    link.release()
    with pytest.raises(FencedError):
        await slow
    check_all_counted(await reconcile(nats_bus, PARTITIONS))


async def test_a_purge_while_the_books_are_read_makes_them_be_read_again(
    nats_bus: Bus, far_bus: Bus, link: WeakLink
) -> None:
    await work(nats_bus, ROUNDS)
    link.hold_at(b"PUB $JS.API.DIRECT.GET.READINGS ")
    reading = asyncio.create_task(reconcile(far_bus, PARTITIONS))
    await asyncio.wait_for(link.reached.wait(), 10)
    await purge_readings(nats_bus, 0, EVERYTHING)
    link.release()
    check_all_counted(await reading)


async def test_books_that_never_hold_still_are_said_to_be_moving(nats_bus: Bus, far_bus: Bus, link: WeakLink) -> None:
    places = await work(nats_bus, ATTEMPTS + 1)
    link.hold_at(b"PUB $JS.API.STREAM.INFO.OUTCOMES ")
    reading = asyncio.create_task(reconcile(far_bus, PARTITIONS))
    for seq in places[0][:ATTEMPTS]:
        await asyncio.wait_for(link.reached.wait(), 10)
        await purge_readings(nats_bus, 0, seq + 1)
        link.release()
        link.hold_at(b"PUB $JS.API.STREAM.INFO.OUTCOMES ")
    balance = await reading
    assert balance.is_moving
    assert not balance.is_balanced
    assert balance.lines == ()


async def test_a_page_that_cannot_be_read_is_named_with_what_to_do(nats_bus: Bus) -> None:
    await work(nats_bus, 1)
    await nats_bus.put_key(LEDGER, "in.0", b"\xc1")
    with pytest.raises(FatalError, match=r"page in\.0 .* restore the data folder"):
        await read_page(nats_bus, IN, 0)


@pytest.mark.parametrize("side", SIDES)
async def test_a_page_that_outgrows_a_message_is_kept_and_counted_on(nats_bus: Bus, side: str) -> None:
    purge, stream = SIDES[side]
    await work(nats_bus, ROUNDS)
    named = nats_bus.max_payload_bytes // 1000
    for start in range(0, named, 2000):
        await bring_in_by(nats_bus, [f"{number:01000}" for number in range(start, min(start + 2000, named))])
    await purge(nats_bus, 0, EVERYTHING)
    assert len(await stored(nats_bus, stream, 0)) == (0 if side == IN else 1)
    await work(nats_bus, 1, ROUNDS)
    await purge(nats_bus, 0, EVERYTHING)
    balance = await reconcile(nats_bus, PARTITIONS)
    assert balance.findings == ()
    assert len(balance.lines) == named + PARTITIONS


async def test_a_page_that_an_earlier_version_wrote_into_its_key_is_read(nats_bus: Bus) -> None:
    earlier = b'\x82\xa9up_to_seq\x07\xa4sums\x81\xad["a/b","plc"]\x97\x03\x02\x00\x01\x00\x00\x00'
    revision = await nats_bus.put_key(LEDGER, "in.0", earlier)
    assert await read_page(nats_bus, IN, 0) == (Page(7, {'["a/b","plc"]': [3, 2, 0, 1, 0, 0, 0]}), revision)


async def test_a_page_whose_bytes_are_lost_is_named_with_what_to_do(nats_bus: Bus) -> None:
    page = Page(7, {"[]" + "x" * nats_bus.max_payload_bytes: [0] * 7})
    await write_page(nats_bus, IN, 0, page, 0)
    assert (await read_page(nats_bus, IN, 0))[0] == page
    blobs = Blobs(nats_bus)
    for digest in await blobs.list():
        await blobs.delete(digest)
    with pytest.raises(FatalError, match=r"page in\.0 .*there is no blob.* restore the data folder"):
        await read_page(nats_bus, IN, 0)


# --- tampering: each way, and what is said


async def remove_input(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    await delete(bus, READINGS, places[0][2])
    return [
        f"READINGS lacks message {places[0][2]}: removed, and not by the janitor",
        "acme/pump-0 plc: commits account for 3 values that READINGS does not hold",
    ]


async def remove_a_run_of_input(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    for seq in range(places[0][2] - 1, places[0][3]):
        await delete(bus, READINGS, seq)
    return [
        f"READINGS lacks messages {places[0][2] - 1} to {places[0][3] - 1}: removed, and not by the janitor",
        "acme/pump-0 plc: commits account for 3 values that READINGS does not hold",
        "acme/pump-1 plc: commits account for 3 values that READINGS does not hold",
    ]


async def remove_a_tick(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    await delete(bus, READINGS, places[0][2] - 1)
    return [f"READINGS lacks message {places[0][2] - 1}: removed, and not by the janitor"]


async def remove_the_oldest_input(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    await bus.purge(READINGS, "readings.*", places[1][0] + 1)
    return [
        f"READINGS lacks messages 1 to {places[1][0]}: removed, and not by the janitor",
        "acme/pump-0 plc: commits account for 3 values that READINGS does not hold",
        "acme/pump-1 plc: commits account for 3 values that READINGS does not hold",
    ]


async def remove_input_that_the_ledger_has_reached(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    """Below what one partition's page takes over only the sums can tell."""
    await purge_readings(bus, 0, EVERYTHING)
    await delete(bus, READINGS, places[1][2])
    return ["acme/pump-1 plc: commits account for 3 values that READINGS does not hold"]


async def remove_a_commit(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    await delete(bus, OUTCOMES, 3)
    return [
        "OUTCOMES lacks message 3: removed, and not by the janitor",
        "acme/pump-0 plc: 3 values came in that no commit accounts for",
    ]


async def repeat_a_commit(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    seq = await commit(bus, 0, places[0][-1] - 1, places[0][-1])
    return [
        f"OUTCOMES message {seq} stands for input that was committed before",
        "acme/pump-0 plc: commits account for 3 values that READINGS does not hold",
    ]


async def invent_a_commit(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    await commit(bus, 0, 900, 901)
    return [
        f"READINGS ends at message {places[1][-1]}, commits stand for input up to 901: its end was lost",
        "acme/pump-0 plc: commits account for 3 values that READINGS does not hold",
    ]


async def add_what_is_no_commit(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    seq = await bus.publish("outcomes.0", b"\x01garbage")
    return [f"OUTCOMES message {seq} is no commit: "]


async def spoil_a_page(bus: Bus, places: dict[int, list[int]]) -> list[str]:
    await purge_readings(bus, 0, EVERYTHING)
    page, _ = await read_page(bus, IN, 0)
    page.add("acme/pump-0", "plc", [5, 0, 0, 0, 0, 0, 0])
    await bus.put_key(LEDGER, "in.0", msgspec.msgpack.encode(page))
    return ["acme/pump-0 plc: 5 values came in that no commit accounts for"]


@pytest.mark.parametrize(
    "tamper",
    [
        remove_input,
        remove_a_run_of_input,
        remove_a_tick,
        remove_the_oldest_input,
        remove_input_that_the_ledger_has_reached,
        remove_a_commit,
        repeat_a_commit,
        invent_a_commit,
        add_what_is_no_commit,
        spoil_a_page,
    ],
)
async def test_tampering_is_found_and_named(
    nats_bus: Bus, tamper: Callable[[Bus, dict[int, list[int]]], Awaitable[list[str]]]
) -> None:
    places = await work(nats_bus, ROUNDS)
    expected = await tamper(nats_bus, places)
    balance = await reconcile(nats_bus, PARTITIONS)
    assert not balance.is_balanced
    assert len(balance.findings) == len(expected)
    for found, said in zip(balance.findings, expected, strict=True):
        assert found.startswith(said)


async def test_garbage_that_came_in_is_no_loss(nats_bus: Bus) -> None:
    await nats_bus.publish("readings.0", b"\x01garbage")
    await work(nats_bus, ROUNDS)
    check_all_counted(await reconcile(nats_bus, PARTITIONS))


async def test_garbage_among_commits_does_not_stop_the_janitor(nats_bus: Bus) -> None:
    await nats_bus.publish("outcomes.0", b"\x01garbage")
    await work(nats_bus, ROUNDS)
    assert await purge_outcomes(nats_bus, 0, EVERYTHING) == ROUNDS
    check_all_counted(await reconcile(nats_bus, PARTITIONS))


async def test_an_input_stream_that_fell_back_is_found(bus_server: BusServer, nats_bus: Bus) -> None:
    """As after a loss of power with `process-safe`: the end of READINGS is gone, OUTCOMES is not."""
    streams = bus_server.data_dir / "stream" / "jetstream" / "PLANT" / "streams"
    places = await work(nats_bus, ROUNDS)
    bus_server.stop()
    shutil.copytree(streams / READINGS, bus_server.data_dir / "before")
    await bus_server.start()
    later = await asyncio.wait_for(_again(nats_bus), 30)
    bus_server.stop()
    shutil.rmtree(streams / READINGS)
    shutil.copytree(bus_server.data_dir / "before", streams / READINGS)
    await bus_server.start()
    async with connect(bus_server.address, "after") as bus:
        balance = await reconcile(bus, PARTITIONS)
    end = f"READINGS ends at message {places[1][-1]}, commits stand for input up to {later[1][-1]}: its end was lost"
    assert balance.findings[0] == end
    assert not balance.is_balanced


async def _again(bus: Bus) -> dict[int, list[int]]:
    while True:
        try:
            await bus.stream_info(READINGS)
            return await work(bus, 2, ROUNDS)
        except UnavailableError:
            await asyncio.sleep(0.05)


async def test_a_purge_waits_for_the_checkpoint(nats_bus: Bus) -> None:
    assert await purge_readings(nats_bus, 0, EVERYTHING) == 0
    seqs = [await bring_in(nats_bus, 0, number) for number in range(4)]
    assert await purge_readings(nats_bus, 0, EVERYTHING) == 0
    await checkpoint(nats_bus, 0, seqs[1])
    assert await purge_readings(nats_bus, 0, EVERYTHING) == 4
    assert (await stored(nats_bus, READINGS, 0))[0] == seqs[2] - 1


async def test_a_tenant_sees_its_own_lines_and_what_is_wrong_with_them_only(nats_bus: Bus) -> None:
    await work(nats_bus, ROUNDS)
    await commit(nats_bus, 0, 900, 901)
    balance = await reconcile(nats_bus, PARTITIONS)
    assert len(balance.findings) == 2
    assert balance.of(lambda tenant: tenant == "acme") == balance
    other = balance.of(lambda tenant: tenant == "other")
    assert other.lines == ()
    assert other.findings == balance.findings[:1]
