"""A checkpoint is whole or not there; where the newest is damaged the one before leads on, or it is said what to do."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from bus_server import BusServer, eventually
from partition_runs import all_of, concluded, expected, processing, put_in, with_alarms, worked_in
from weak_link import WeakLink

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import (
    Checkpoint,
    Manifest,
    checkpoint_key,
    load_states,
    read_checkpoint,
    read_manifests,
    write_checkpoint,
)
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.pages import IN, read_page, write_page
from iot_edge_anomaly.bus.streams import CHECKPOINTS
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.errors import FatalError, RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey

pytestmark = [pytest.mark.anyio, pytest.mark.server]

PUMP, VALVE = AssetKey("acme", "site/pump"), AssetKey("acme", "site/valve")


@pytest.fixture
def blobs(nats_bus: Bus) -> Blobs:
    return Blobs(nats_bus)


async def write(bus: Bus, before: Checkpoint, position: int, **states: bytes) -> Checkpoint:
    changed = {AssetKey("acme", f"site/{name}"): state for name, state in states.items()}
    dump = Dump(b"shared at %d" % position, changed)
    return await write_checkpoint(bus, Blobs(bus), 0, before, position, dump, None, set())


async def states_at(bus: Bus, found: Checkpoint) -> dict[AssetKey, bytes]:
    return await load_states(Blobs(bus), found.assets)


async def test_a_partition_without_one_starts_at_nothing(nats_bus: Bus, blobs: Blobs) -> None:
    assert await read_checkpoint(nats_bus, blobs, 0) == Checkpoint()


async def test_what_changed_is_written_and_what_did_not_is_kept(nats_bus: Bus, blobs: Blobs) -> None:
    first = await write(nats_bus, Checkpoint(), 5, pump=b"p5", valve=b"v5")
    second = await write(nats_bus, first, 9, pump=b"p9")
    found = await read_checkpoint(nats_bus, blobs, 0)
    assert found == second
    assert (found.position, found.shared) == (9, b"shared at 9")
    assert await states_at(nats_bus, found) == {PUMP: b"p9", VALVE: b"v5"}


async def test_who_reads_is_told_of_another_writer(nats_bus: Bus) -> None:
    first = await write(nats_bus, Checkpoint(), 5, pump=b"p5")
    await write(nats_bus, first, 9, pump=b"p9")
    for stale in (Checkpoint(), first):
        with pytest.raises(FencedError):
            await write(nats_bus, stale, 7, pump=b"p7")


@pytest.mark.parametrize("said", [b"PUB blobs.", b"PUB $KV.checkpoints."])
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
async def test_a_link_that_is_cut_at_any_write_leaves_a_whole_checkpoint(
    nats_bus: Bus, far_bus: Bus, link: WeakLink, blobs: Blobs, said: bytes, is_done: bool
) -> None:
    first = await write(nats_bus, Checkpoint(), 5, pump=b"p5", valve=b"v5")
    if is_done:
        link.mute_at(said)
    else:
        link.cut_at(said)
    writing = asyncio.create_task(write(far_bus, first, 9, pump=b"p9", valve=b"v9"))
    await asyncio.wait_for(link.reached.wait(), 10)
    if is_done:
        await asyncio.wait_for(link.swallowed.wait(), 10)
        link.cut()
    with pytest.raises(UnavailableError):
        await writing
    found = await read_checkpoint(nats_bus, blobs, 0)
    is_new = is_done and said == b"PUB $KV.checkpoints."
    assert found.position == (9 if is_new else 5)
    assert await states_at(nats_bus, found) == ({PUMP: b"p9", VALVE: b"v9"} if is_new else {PUMP: b"p5", VALVE: b"v5"})
    assert (await write(nats_bus, found, 12, pump=b"p12")).position == 12


WRITER = """
import asyncio, sys
import msgspec
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import read_checkpoint, write_checkpoint
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.names import AssetKey

async def main():
    async with connect(msgspec.json.decode(sys.argv[1], type=BusAddress)) as bus:
        before = await read_checkpoint(bus, Blobs(bus), 0)
        while True:
            position = before.position + 1
            states = {AssetKey("acme", f"site/{n}"): b"%d of %d" % (position, n) for n in range(30)}
            before = await write_checkpoint(bus, Blobs(bus), 0, before, position, Dump(b"", states), None, set())

asyncio.run(main())
"""


async def test_a_writer_that_is_killed_again_and_again_leaves_whole_checkpoints(
    bus_server: BusServer, nats_bus: Bus, blobs: Blobs
) -> None:
    last = 0
    for round_ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, msgspec.json.encode(bus_server.address)])
        goal = last + 2 + round_

        async def has_come(goal: int = goal) -> bool:
            return (await read_checkpoint(nats_bus, blobs, 0)).position >= goal

        await eventually(has_come)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(10)
        found = await read_checkpoint(nats_bus, blobs, 0)
        states = await states_at(nats_bus, found)
        assert states == {AssetKey("acme", f"site/{n}"): b"%d of %d" % (found.position, n) for n in range(30)}
        last = found.position


# --- damage


async def lose_the_list(blobs: Blobs, newest: Manifest) -> None:
    await blobs.delete(newest.assets)


async def lose_a_state(blobs: Blobs, newest: Manifest) -> None:
    """The first, the one that changed last."""
    assets = msgspec.msgpack.decode(await blobs.get(newest.assets), type=dict[str, str])
    await blobs.delete(assets[min(assets)])


Lose = Callable[[Blobs, Manifest], Awaitable[None]]


@pytest.mark.parametrize("lose", [lose_the_list, lose_a_state])
async def test_a_worker_that_goes_on_from_the_one_before_concludes_the_same(
    nats_bus: Bus, blobs: Blobs, lose: Lose
) -> None:
    items = with_alarms()
    for part in (items[:15], items[15:30]):
        last = await put_in(nats_bus, part)
        async with processing(nats_bus):
            await worked_in(nats_bus, last)
    newest, before = (manifest for manifest, _ in await read_manifests(nats_bus, 0))
    assert newest.position > before.position > 0
    await lose(blobs, newest)
    last = await put_in(nats_bus, items[30:])
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    assert concluded(all_of(commits)) == await expected(nats_bus)


@pytest.mark.parametrize("lose", [lose_the_list, lose_a_state])
async def test_where_the_newest_is_damaged_the_one_before_leads_on(nats_bus: Bus, blobs: Blobs, lose: Lose) -> None:
    first = await write(nats_bus, Checkpoint(), 5, pump=b"p5", valve=b"v5")
    second = await write(nats_bus, first, 9, pump=b"p9")
    await lose(blobs, (await read_manifests(nats_bus, 0))[0][0])
    found = await read_checkpoint(nats_bus, blobs, 0)
    assert (found.position, found.revision) == (5, second.revision)
    assert await states_at(nats_bus, found) == {PUMP: b"p5", VALVE: b"v5"}
    third = await write(nats_bus, found, 9, pump=b"p9")
    assert await read_checkpoint(nats_bus, blobs, 0) == third


async def test_the_one_before_does_not_lead_on_where_its_input_is_purged(nats_bus: Bus, blobs: Blobs) -> None:
    first = await write(nats_bus, Checkpoint(), 5, pump=b"p5")
    await write(nats_bus, first, 9, pump=b"p9")
    page, revision = await read_page(nats_bus, IN, 0)
    page.up_to_seq = 6
    await write_page(nats_bus, IN, 0, page, revision)
    await lose_a_state(blobs, (await read_manifests(nats_bus, 0))[0][0])
    with pytest.raises(
        RejectedError, match=r"input since message 5 is purged.*put a copy of the data folder"
    ) as caught:
        await read_checkpoint(nats_bus, blobs, 0)
    assert f"lacks the state of {PUMP}" in str(caught.value)


async def test_where_none_can_be_used_it_is_said_what_is_missing_and_what_to_do(nats_bus: Bus, blobs: Blobs) -> None:
    first = await write(nats_bus, Checkpoint(), 5, pump=b"p5")
    await write(nats_bus, first, 9, pump=b"p9")
    for manifest, _ in await read_manifests(nats_bus, 0):
        await lose_the_list(blobs, manifest)
    with pytest.raises(RejectedError, match=r"partition 0 .*there is no blob sha256:.*put a copy of the data folder"):
        await read_checkpoint(nats_bus, blobs, 0)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (b"\xc1", "cannot be read"),
        (b"", "cannot be read"),
        (msgspec.msgpack.encode(Manifest(99, 1, b"", "sha256:", None, ())), "format 99: another version"),
    ],
)
async def test_a_manifest_that_cannot_be_read_stops_the_worker_with_the_reason(
    nats_bus: Bus, blobs: Blobs, stored: bytes, said: str
) -> None:
    await nats_bus.put_key(CHECKPOINTS, checkpoint_key(0), stored)
    with pytest.raises(FatalError, match=said):
        await read_checkpoint(nats_bus, blobs, 0)


async def test_two_manifests_are_kept_and_no_more(nats_bus: Bus) -> None:
    checkpoint = Checkpoint()
    for position in range(1, 8):
        checkpoint = await write(nats_bus, checkpoint, position, pump=b"%d" % position)
    assert [manifest.position for manifest, _ in await read_manifests(nats_bus, 0)] == [7, 6]
