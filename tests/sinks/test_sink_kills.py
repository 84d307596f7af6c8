"""The role is killed at random while alarms come: every target has all of them, in order, repeats under the same id."""

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from broker_target import mosquitto  # type: ignore[import-not-found]
from role_processes import RoleProcess, prepare, publish_transitions  # type: ignore[import-not-found]
from sink_bus import PARTITIONS, SinkBus  # type: ignore[import-not-found]
from sink_targets import SECRETS, TARGETS, Target  # type: ignore[import-not-found]
from waiting import wait  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.sinks.catalog import spec_of
from iot_edge_anomaly.sinks.health import read_health

KILLS = 5
SEED = 20_261_124

pytestmark = pytest.mark.server


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[SinkBus]:
    folder = tmp_path / "data"
    folder.mkdir()
    server = SinkBus(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[dict[str, Target]]:
    made = {}
    for kind, make in TARGETS.items():
        if kind != "email-starttls" and (kind != "mosquitto" or mosquitto() is not None):
            folder = tmp_path / kind
            folder.mkdir()
            made[kind] = make(folder)
            made[kind].start()
    yield made
    for target in made.values():
        target.close()


def in_order(ids: list[str], partition: int) -> list[str]:
    """Return the ids of a partition in the order of their first arrival."""
    return list(dict.fromkeys(one for one in ids if one.startswith(f"{partition}-")))


@pytest.mark.timeout(180)
def test_whatever_is_killed_every_target_has_every_alarm_in_order(own_bus: SinkBus, targets: dict[str, Target]) -> None:
    chance = random.Random(SEED)
    wanted = [
        msgspec.structs.replace(target.settings, name=kind, replay_from_start=True) for kind, target in targets.items()
    ]
    config = prepare(own_bus, wanted)
    views, sinks = (RoleProcess(role, own_bus.folder, config) for role in ("views", "sinks"))
    published: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS)}

    is_over = threading.Event()

    async def publish() -> None:
        async with connect(own_bus.address) as bus:
            commit = 0
            while not is_over.is_set():
                commit += 1
                partition = commit % PARTITIONS
                published[partition] += await publish_transitions(bus, partition, commit, chance.randint(1, 4))
                await asyncio.sleep(chance.uniform(0, 0.3))

    async def kill() -> None:
        for _ in range(KILLS):
            before = {kind: len(target.ids()) for kind, target in targets.items()}
            await asyncio.to_thread(wait, lambda before=before: _goes_on(targets, before))
            await asyncio.sleep(chance.uniform(0, 0.2))
            await asyncio.to_thread(sinks.kill)
            if chance.random() < 0.3:
                await asyncio.to_thread(views.kill)
                views.start()
            sinks.start()
        is_over.set()

    async def storm() -> None:
        await asyncio.gather(publish(), kill())

    views.start()
    sinks.start()
    asyncio.run(storm())
    everything = {one for ids in published.values() for one in ids}
    for target in targets.values():
        wait(lambda target=target: everything <= set(target.ids()), 60)
    wait(lambda: {one.waiting for one in read_health(own_bus.folder)} == {0})
    assert sinks.stop() == 0, sinks.log()
    views.stop()
    for kind, target in targets.items():
        ids = target.ids()
        assert set(ids) == everything, kind
        assert {partition: in_order(ids, partition) for partition in published} == published, kind
        assert len(ids) - len(everything) <= KILLS * spec_of(target.settings).most, kind
    assert not [secret for secret in SECRETS if secret in sinks.log()]


def _goes_on(targets: dict[str, Target], before: dict[str, int]) -> bool:
    """Tell whether any target took something since: then the role is at work."""
    return any(len(target.ids()) > before[kind] for kind, target in targets.items())
