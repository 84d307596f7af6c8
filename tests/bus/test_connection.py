"""Storing, fencing, reading and key-value on a real server."""

import pytest
from bus_server import BusServer

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.bus.streams import CONFIGURATION, OUTCOMES, READINGS, ensure_streams, readings_subject
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError

pytestmark = [pytest.mark.anyio, pytest.mark.server]


async def test_a_message_comes_back_with_the_sequence_it_was_stored_under(nats_bus: Bus) -> None:
    seq = await nats_bus.publish("readings.0", b"one")
    await nats_bus.publish("readings.1", b"other partition")
    newest = await nats_bus.publish("readings.0", b"two")
    assert [(m.seq, m.data) for m in await nats_bus.read(READINGS, "readings.0", 0)] == [
        (seq, b"one"),
        (newest, b"two"),
    ]
    assert await nats_bus.last(READINGS, "readings.0") == (newest, "readings.0", b"two")
    assert await nats_bus.first(READINGS, "readings.0", seq + 1) == (newest, "readings.0", b"two")
    assert await nats_bus.first(READINGS, "readings.0", newest + 1) is None


async def test_reading_an_empty_subject_or_beyond_its_end_gives_nothing(nats_bus: Bus) -> None:
    assert await nats_bus.read(READINGS, "readings.0", 0) == []
    assert await nats_bus.last(READINGS, "readings.0") is None
    seq = await nats_bus.publish("readings.0", b"one")
    assert await nats_bus.read(READINGS, "readings.0", seq + 1) == []


async def test_reading_stops_at_the_limits_it_was_given(nats_bus: Bus) -> None:
    for _ in range(20):
        await nats_bus.publish("readings.0", bytes(1000))
    assert len(await nats_bus.read(READINGS, "readings.0", 0, max_messages=7)) == 7
    assert 0 < len(await nats_bus.read(READINGS, "readings.0", 0, max_bytes=5000)) < 10


async def test_a_repeat_of_a_message_id_is_stored_once_and_answered_with_the_first_sequence(nats_bus: Bus) -> None:
    seqs = [await nats_bus.publish("readings.0", b"same", message_id="a-1") for _ in range(3)]
    assert len(set(seqs)) == 1
    assert len(await nats_bus.read(READINGS, "readings.0", 0)) == 1


async def test_a_zombie_is_refused_whole_and_told_so(bus_server: BusServer, nats_bus: Bus) -> None:
    async with connect(bus_server.address, "zombie") as zombie:
        fence = await zombie.publish("outcomes.0", b"mine", expected_last_subject_seq=0)
        taken = await nats_bus.publish("outcomes.0", b"new owner", expected_last_subject_seq=fence)
        with pytest.raises(FencedError):
            await zombie.publish("outcomes.0", b"late", expected_last_subject_seq=fence)
    stored = await nats_bus.read(OUTCOMES, "outcomes.0", 0)
    assert [message.data for message in stored] == [b"mine", b"new owner"]
    assert stored[-1].seq == taken


async def test_the_fence_of_one_partition_does_not_see_another(nats_bus: Bus) -> None:
    await nats_bus.publish("outcomes.0", b"zero", expected_last_subject_seq=0)
    await nats_bus.publish("outcomes.1", b"one", expected_last_subject_seq=0)


async def test_what_is_larger_than_a_message_may_be_is_rejected_before_it_is_sent(nats_bus: Bus) -> None:
    with pytest.raises(RejectedError, match="larger"):
        await nats_bus.publish("readings.0", bytes(nats_bus.max_payload_bytes + 1))
    assert nats_bus.is_connected


async def test_the_largest_message_is_stored_with_all_its_headers(nats_bus: Bus) -> None:
    largest = bytes(nats_bus.max_payload_bytes)
    await nats_bus.publish(
        "readings.0", largest, message_id="m" * 64, expected_last_subject_seq=0, expected_stream=READINGS
    )
    found = await nats_bus.last(READINGS, "readings.0")
    assert found is not None
    assert found.data == largest


async def test_a_subject_that_no_stream_keeps_is_unavailable_not_lost(nats_bus: Bus) -> None:
    with pytest.raises(UnavailableError):
        await nats_bus.publish("nowhere.0", b"x")


async def test_purging_deletes_below_a_sequence_and_in_its_own_subject_only(nats_bus: Bus) -> None:
    seqs = [await nats_bus.publish(readings_subject(number % 2), b"x") for number in range(6)]
    assert await nats_bus.purge(READINGS, "readings.0", seqs[4]) == 2
    assert [m.seq for m in await nats_bus.read(READINGS, "readings.0", 0)] == [seqs[4]]
    assert [m.seq for m in await nats_bus.read(READINGS, "readings.1", 0)] == [seqs[1], seqs[3], seqs[5]]


async def test_a_key_is_written_only_over_the_revision_that_was_seen(nats_bus: Bus) -> None:
    assert await nats_bus.get_key(CONFIGURATION, "rules") is None
    first = await nats_bus.put_key(CONFIGURATION, "rules", b"1", revision=0)
    second = await nats_bus.put_key(CONFIGURATION, "rules", b"2", revision=first)
    for stale in (0, first):
        with pytest.raises(FencedError):
            await nats_bus.put_key(CONFIGURATION, "rules", b"3", revision=stale)
    assert await nats_bus.get_key(CONFIGURATION, "rules") == (b"2", second)


async def test_a_key_that_was_deleted_is_gone_and_can_be_made_again(nats_bus: Bus) -> None:
    await nats_bus.put_key(CONFIGURATION, "a.b", b"1")
    await nats_bus.put_key(CONFIGURATION, "c", b"1")
    assert await nats_bus.keys(CONFIGURATION) == ["a.b", "c"]
    await nats_bus.delete_key(CONFIGURATION, "a.b")
    assert await nats_bus.keys(CONFIGURATION) == ["c"]
    await nats_bus.put_key(CONFIGURATION, "a.b", b"2", revision=0)


async def test_making_the_streams_again_keeps_what_they_hold(bus_server: BusServer, nats_bus: Bus) -> None:
    await nats_bus.publish("readings.0", b"kept")
    await ensure_streams(nats_bus, 2, bus_server.address.quota_bytes)
    assert [m.data for m in await nats_bus.read(READINGS, "readings.0", 0)] == [b"kept"]


async def test_another_number_of_partitions_than_the_store_has_is_refused_with_both(
    bus_server: BusServer, nats_bus: Bus
) -> None:
    with pytest.raises(ConfigError, match="2 partitions, the configuration says 3"):
        await ensure_streams(nats_bus, 3, bus_server.address.quota_bytes)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    address = BusAddress("nats://me:secret@127.0.0.1:1", None, None, 4, 1 << 30)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1") as caught:
        async with connect(address, wait_seconds=0.2):
            pass
    assert "secret" not in str(caught.value)


async def test_a_wrong_password_is_told_apart_from_a_server_that_is_away(bus_server: BusServer) -> None:
    await bus_server.start()
    wrong = BusAddress(bus_server.address.url, "iot-edge-anomaly", "wrong", 2, 1 << 30)
    with pytest.raises(UnavailableError, match=r"(?i)authori[sz]ation"):
        async with connect(wrong, wait_seconds=1):
            pass
