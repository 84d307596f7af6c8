"""The janitor keeps a real store in bounds, and nothing that is needed goes: not to a full quota, not to a race."""

import asyncio
import contextlib
import os

import msgspec
import pytest
from books import PARTITIONS, bring_in, capsule_of, checkpoint, key_of, work
from bus_server import BusServer, eventually
from weak_link import WeakLink

from iot_edge_anomaly.bus import blobs as blob_room
from iot_edge_anomaly.bus import janitor as janitor_room
from iot_edge_anomaly.bus import sweep as sweep_room
from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import Removed, Sealed, capsule_records, mark_removed, open_capsule, seal
from iot_edge_anomaly.bus.checkpoint import Checkpoint, load_states, read_checkpoint, read_manifests, write_checkpoint
from iot_edge_anomaly.bus.codec import encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.janitor import (
    NEARLY_FULL,
    PURGE_TO,
    START_AT,
    keep_in_bounds,
    look,
    purge_outcomes,
    purge_readings,
    purge_when_full,
    sweep_blobs,
)
from iot_edge_anomaly.bus.ledger import reconcile
from iot_edge_anomaly.bus.pages import IN, Page, read_page, write_page
from iot_edge_anomaly.bus.retention import Retention, prune_capsules
from iot_edge_anomaly.bus.streams import CAPSULES, LEDGER, READINGS, readings_subject
from iot_edge_anomaly.bus.sweep import Look
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import ModelActivated

pytestmark = [pytest.mark.anyio, pytest.mark.server]

EVERYTHING = 1 << 40


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks need not be apart: who puts a blob is expected to name it at once, or is late."""
    monkeypatch.setattr(sweep_room, "NAME_WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(blob_room, "NAME_WITHIN_SECONDS", -1.0)


# --- quotas


async def fill(bus: Bus, share: float, partition: int = 0) -> int:
    """Store input that cannot be read until so much of the quota is used; return the last sequence."""
    seq = 0
    while await used(bus) < share:
        seq = await bus.publish(readings_subject(partition), b"\x01" + bytes(1 << 19))
    return seq


async def used(bus: Bus) -> float:
    info = await bus.stream_info(READINGS)
    return float(info["state"]["bytes"]) / int(info["config"]["max_bytes"])


async def first_left(bus: Bus, partition: int = 0) -> int:
    found = await bus.first(READINGS, readings_subject(partition))
    assert found is not None
    return found.seq


async def test_a_stream_with_room_is_left_alone(nats_bus: Bus) -> None:
    await checkpoint(nats_bus, 0, await fill(nats_bus, START_AT - 0.1))
    before = await used(nats_bus)
    await purge_when_full(nats_bus, PARTITIONS)
    assert await used(nats_bus) == before


async def test_a_stream_that_fills_is_purged_to_half_of_that_oldest_first(nats_bus: Bus) -> None:
    last = await fill(nats_bus, START_AT + 0.02)
    await checkpoint(nats_bus, 0, last)
    await purge_when_full(nats_bus, PARTITIONS)
    assert PURGE_TO - 0.1 < await used(nats_bus) < PURGE_TO + 0.1
    newest = await nats_bus.last(READINGS, readings_subject(0))
    assert newest is not None
    assert newest.seq == last
    assert (await reconcile(nats_bus, PARTITIONS)).is_balanced


async def test_input_that_no_checkpoint_covers_is_never_purged(nats_bus: Bus) -> None:
    position = await fill(nats_bus, 0.2)
    await checkpoint(nats_bus, 0, position)
    await fill(nats_bus, 0.97)
    await purge_when_full(nats_bus, PARTITIONS)
    assert await first_left(nats_bus) == position + 1


async def test_what_is_still_to_be_learned_from_stays_until_the_store_is_nearly_full(nats_bus: Bus) -> None:
    needed = await fill(nats_bus, 0.1)
    await checkpoint(nats_bus, 0, await fill(nats_bus, NEARLY_FULL - 0.1), needed_from=needed)
    await purge_when_full(nats_bus, PARTITIONS)
    assert await first_left(nats_bus) == needed
    await checkpoint(nats_bus, 0, await fill(nats_bus, NEARLY_FULL), needed_from=needed)
    await purge_when_full(nats_bus, PARTITIONS)
    assert await used(nats_bus) < START_AT
    assert await nats_bus.publish(readings_subject(0), b"a tick finds room again")


# --- blobs


async def sweep_often(bus: Bus, times: int = 4) -> None:
    looks: tuple[Look, ...] = ()
    for _ in range(times):
        looks = await sweep_blobs(bus, PARTITIONS, looks)


async def checkpoint_all(bus: Bus) -> None:
    """Write a checkpoint at the end of input: the one before covers all of it too then."""
    for partition in range(PARTITIONS):
        newest = await bus.last(READINGS, readings_subject(partition))
        assert newest is not None
        await checkpoint(bus, partition, newest.seq)


async def activate(bus: Bus, digest: str, partition: int = 0) -> int:
    key = key_of(partition)
    item = ModelActivated(key.tenant, key.asset, digest, 1)
    return await bus.publish(readings_subject(partition), encode_items([item]))


@pytest.mark.usefixtures("at_once")
async def test_what_nothing_names_goes_and_what_checkpoints_name_stays(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    orphan = await blobs.put(os.urandom(9 << 20))
    for rounds in range(4):
        await work(nats_bus, 1, rounds)
    await checkpoint_all(nats_bus)
    await sweep_often(nats_bus)
    assert orphan not in await blobs.list()
    kept = [manifest for partition in range(PARTITIONS) for manifest, _ in await read_manifests(nats_bus, partition)]
    assert len(kept) == 2 * PARTITIONS
    assert len(await blobs.list()) == 2 * PARTITIONS
    for partition in range(PARTITIONS):
        states = await load_states(blobs, (await read_checkpoint(nats_bus, blobs, partition)).assets)
        assert len(states) == 1


@pytest.mark.usefixtures("at_once")
async def test_pages_of_the_ledger_that_are_blobs_stay_and_those_they_replace_go(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    pages = [Page(number, {"[]" + "x" * nats_bus.max_payload_bytes: [0] * 7}) for number in (1, 2)]
    revision = await write_page(nats_bus, IN, 1, pages[0], 0)
    first = set(await blobs.list())
    await write_page(nats_bus, IN, 1, pages[1], revision)
    await sweep_often(nats_bus)
    assert (await read_page(nats_bus, IN, 1))[0] == pages[1]
    assert len(await blobs.list()) == 1
    assert not first & set(await blobs.list())


async def test_nothing_is_swept_where_a_page_cannot_be_read(nats_bus: Bus) -> None:
    await nats_bus.put_key(LEDGER, "out.1", b"\xc1")
    with pytest.raises(RejectedError, match=r"page out\.1 of the ledger"):
        await look(nats_bus, Blobs(nats_bus), PARTITIONS)


@pytest.mark.usefixtures("at_once")
async def test_what_others_note_in_the_bucket_of_the_ledger_is_no_page(nats_bus: Bus) -> None:
    orphan = await Blobs(nats_bus).put(b"nothing names this")
    for key in ("probe", "trainer.0", "reserved.historian.READINGS"):
        await nats_bus.put_key(LEDGER, key, b"1")
    await sweep_often(nats_bus)
    assert orphan not in await Blobs(nats_bus).list()


@pytest.mark.usefixtures("at_once")
async def test_a_store_that_blobs_have_filled_comes_free_although_no_checkpoint_can_be_written(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    await work(nats_bus, 1)
    await bring_in(nats_bus, 0, 1)

    async def fill_with_garbage() -> None:
        while True:
            await blobs.put(os.urandom(1 << 20))

    with pytest.raises(UnavailableError):
        await fill_with_garbage()
    with pytest.raises(UnavailableError):
        await checkpoint(nats_bus, 0, 1 << 30)
    await sweep_often(nats_bus)
    assert len(await blobs.list()) == 2 * PARTITIONS
    await checkpoint(nats_bus, 0, 1 << 30)


@pytest.mark.usefixtures("at_once")
async def test_a_model_stays_while_no_checkpoint_covers_its_activation(
    nats_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs(nats_bus)
    await work(nats_bus, 1)
    await work(nats_bus, 1, 1)
    model = await blobs.put(b"a model that the worker has not come to yet")
    await activate(nats_bus, model)
    await sweep_often(nats_bus)
    assert model in await blobs.list()
    monkeypatch.setattr(janitor_room, "MOST_READ_BYTES", 0)  # a worker that is far behind
    await sweep_often(nats_bus)
    assert model in await blobs.list()
    await work(nats_bus, 1, 2)
    await checkpoint_all(nats_bus)
    await sweep_often(nats_bus)
    assert model not in await blobs.list()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("parts", [1, 3])
async def test_a_blob_that_is_put_again_before_it_is_deleted_stays(
    nats_bus: Bus, far_bus: Bus, link: WeakLink, parts: int
) -> None:
    blobs, data = Blobs(nats_bus), os.urandom(parts * 4 << 20)
    digest = await blobs.put(data)
    looks: tuple[Look, ...] = ()
    for _ in range(2):
        looks = await sweep_blobs(nats_bus, PARTITIONS, looks)
    link.hold_at(b"PUB $JS.API.STREAM.PURGE.BLOBS ")
    sweeping = asyncio.create_task(sweep_blobs(far_bus, PARTITIONS, looks))
    await asyncio.wait_for(link.reached.wait(), 10)
    await blobs.put(data)
    link.release()
    await sweeping
    assert await blobs.get(digest) == data


@pytest.mark.usefixtures("at_once")
async def test_a_checkpoint_that_names_its_blobs_too_late_is_whole_all_the_same(
    nats_bus: Bus, far_bus: Bus, link: WeakLink
) -> None:
    blobs, states = Blobs(nats_bus), {key_of(number): b"state %d" % number for number in range(40)}
    link.hold_at(b"PUB $KV.checkpoints.")
    writing = asyncio.create_task(
        write_checkpoint(far_bus, Blobs(far_bus), 0, Checkpoint(), 1, Dump(b"", states), None, set())
    )
    await asyncio.wait_for(link.reached.wait(), 10)
    assert len(await blobs.list()) == len(states) + 1
    await sweep_often(nats_bus)
    assert await blobs.list() == []
    link.release()
    await writing
    found = await read_checkpoint(nats_bus, blobs, 0)
    assert await load_states(blobs, found.assets) == states


@pytest.mark.usefixtures("at_once")
async def test_a_capsule_that_is_named_too_late_is_there_all_the_same(
    nats_bus: Bus, far_bus: Bus, link: WeakLink
) -> None:
    blobs, capsule = Blobs(nats_bus), capsule_of("A1")
    link.hold_at(b"PUB $KV.capsules.")
    sealing = asyncio.create_task(seal(far_bus, Blobs(far_bus), capsule))
    await asyncio.wait_for(link.reached.wait(), 10)
    await sweep_often(nats_bus)
    assert await blobs.list() == []
    link.release()
    await sealing
    await sweep_often(nats_bus)
    assert await open_capsule(nats_bus, blobs, "A1") == capsule


@pytest.mark.usefixtures("at_once")
async def test_what_capsules_share_stays_until_the_last_of_them_goes(nats_bus: Bus) -> None:
    blobs, first = Blobs(nats_bus), capsule_of("A1", 1 << 20)
    second = msgspec.structs.replace(first, alarm=msgspec.structs.replace(first.alarm, alarm_id="A2"))
    await seal(nats_bus, blobs, first, second)
    assert len(await blobs.list()) == 4
    _, revision = (await capsule_records(nats_bus))["A1"]
    await mark_removed(nats_bus, "A1", Removed(1, "it is old"), revision)
    await sweep_often(nats_bus)
    assert await open_capsule(nats_bus, blobs, "A2") == second
    assert len(await blobs.list()) == 3
    await prune_capsules(nats_bus, Retention(90, 1), 1)
    await sweep_often(nats_bus)
    assert await blobs.list() == []


async def test_nothing_is_swept_where_a_checkpoint_cannot_be_read(nats_bus: Bus) -> None:
    blobs = Blobs(nats_bus)
    await work(nats_bus, 1)
    manifest, _ = (await read_manifests(nats_bus, 0))[0]
    await blobs.delete(manifest.assets)
    with pytest.raises(RejectedError, match="no blob"):
        await look(nats_bus, blobs, PARTITIONS)


async def test_two_janitors_at_once_keep_the_books_balanced(nats_bus: Bus, far_bus: Bus) -> None:
    for start in range(0, 40, 4):
        places = await work(nats_bus, 4, start)
        jobs = [
            purge(bus, partition, below)
            for partition in range(PARTITIONS)
            for bus, below in ((nats_bus, places[partition][1]), (far_bus, EVERYTHING), (nats_bus, EVERYTHING))
            for purge in (purge_readings, purge_outcomes)
        ]
        ended = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(one, (int, FencedError)) for one in ended)
        balance = await reconcile(nats_bus, PARTITIONS)
        assert balance.findings == ()
        assert [line.used for line in balance.lines] == [2 * (start + 4)] * PARTITIONS


async def fill_up(bus: Bus) -> None:
    """Put blobs that nothing names until not even a key finds room."""
    blobs = Blobs(bus)
    for size in (1 << 20, 1 << 14, 1 << 8):
        with contextlib.suppress(UnavailableError):
            while True:
                await blobs.put(os.urandom(size))
    with pytest.raises(UnavailableError):
        await bus.put_key(LEDGER, "out.1", bytes(64))


async def test_a_purge_that_finds_no_room_for_its_page_finds_it_once_blobs_are_swept(
    nats_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PURGE_EVERY_SECONDS", "SWEEP_EVERY_SECONDS"):
        monkeypatch.setattr(janitor_room, name, 0.02)
    monkeypatch.setattr(sweep_room, "NAME_WITHIN_SECONDS", 0.0)
    await checkpoint(nats_bus, 0, await fill(nats_bus, START_AT + 0.02))
    await fill_up(nats_bus)
    with pytest.raises(UnavailableError):
        await purge_when_full(nats_bus, PARTITIONS)
    keeping = asyncio.create_task(keep_in_bounds(nats_bus, PARTITIONS, Retention(90, 1 << 20)))

    async def is_purged() -> bool:
        return await used(nats_bus) < START_AT

    try:
        await eventually(is_purged)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@pytest.mark.usefixtures("at_once")
async def test_capsules_go_from_a_store_that_has_no_room_for_their_markers(nats_bus: Bus) -> None:
    blobs, kept = Blobs(nats_bus), 3
    await work(nats_bus, 1)
    for number in range(3 * kept):
        await seal(nats_bus, blobs, capsule_of(f"A{number}", 1 << 20))
    await fill_up(nats_bus)
    await prune_capsules(nats_bus, Retention(90, (kept << 20) + (1 << 19)), 1)
    records = await capsule_records(nats_bus)
    assert [name for name, (record, _) in records.items() if isinstance(record, Sealed)] == ["A6", "A7", "A8"]
    await sweep_often(nats_bus)
    assert len(await blobs.list()) == 2 * kept + 1 + 2 * PARTITIONS  # each with a state, and no input, which they share
    await seal(nats_bus, blobs, capsule_of("A9", 1 << 20))


async def test_the_janitor_goes_on_after_the_bus_was_away_and_after_what_it_cannot_read(
    bus_server: BusServer, nats_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PURGE_EVERY_SECONDS", "SWEEP_EVERY_SECONDS"):
        monkeypatch.setattr(janitor_room, name, 0.02)
    monkeypatch.setattr(sweep_room, "NAME_WITHIN_SECONDS", 0.0)
    blobs = Blobs(nats_bus)
    await work(nats_bus, 1)
    keeping = asyncio.create_task(keep_in_bounds(nats_bus, PARTITIONS, Retention(90, 1 << 20)))
    for trouble in ("away", "unreadable"):
        orphan = await blobs.put(trouble.encode())
        if trouble == "away":
            bus_server.kill()
            await bus_server.start()
        else:
            revision = await nats_bus.put_key(CAPSULES, "Abad", b"?")
            await asyncio.sleep(0)
            await nats_bus.put_key(
                CAPSULES, "Abad", b'{"type":"removed","at_ns":1,"why":"it is old"}', revision=revision
            )

        async def is_gone(orphan: str = orphan) -> bool:
            try:
                return orphan not in await blobs.list()
            except UnavailableError:
                return False

        await eventually(is_gone)
        assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
