"""The historian on real streams: all of it is in the tables, once, whatever ends it and whenever."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from historian_world import PARTITIONS, Broker, eventually, expected_rows, tell, told

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.reservations import readers
from iot_edge_anomaly.bus.settings import address_file
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.historian.schema import SCHEMAS
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.historian.upkeep import Upkeep
from iot_edge_anomaly.historian.write import keep_history
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.security.private_file import write_private

pytestmark = [pytest.mark.anyio, pytest.mark.server]

QUICK = HistorySettings(flush_seconds=0.05)
SUBJECTS = {READINGS: readings_subject, OUTCOMES: outcomes_subject}


@asynccontextmanager
async def kept(bus: Bus, folder: Path, upkeep: Upkeep | None = None) -> AsyncIterator[asyncio.Task[None]]:
    """A historian at work in this process."""
    how = None if upkeep is None else dict.fromkeys(SCHEMAS, upkeep)
    task = asyncio.create_task(keep_history(bus, PARTITIONS, folder, QUICK, how))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_all_is_written(bus: Bus) -> None:
    async def is_written() -> bool:
        known = await readers(bus)
        for stream, subject in SUBJECTS.items():
            done = known.get(stream, {}).get("historian", {})
            for partition in range(PARTITIONS):
                last = await bus.last(stream, subject(partition))
                if last is not None and done.get(partition, 0) < last.seq:
                    return False
        return True

    await eventually(is_written)


async def test_all_that_the_streams_tell_is_in_the_tables_once(world: tuple[Broker, Bus], tmp_path: Path) -> None:
    _, bus = world
    async with kept(bus, tmp_path / "history"):
        await tell(bus, 1, 40)
        await until_all_is_written(bus)
    rows = told(tmp_path / "history")
    assert {name: len(found) for name, found in rows.items()} == expected_rows(1, 40)
    assert all(len(set(map(repr, found))) == len(found) for found in rows.values())


async def test_nothing_is_given_free_before_it_is_in_the_tables(world: tuple[Broker, Bus], tmp_path: Path) -> None:
    _, bus = world
    (tmp_path / "history").write_text("a file is where the folder should be")
    await tell(bus, 1, 5)
    async with kept(bus, tmp_path / "history"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await until_all_is_written(bus)
        (tmp_path / "history").unlink()
        await until_all_is_written(bus)
    assert len(told(tmp_path / "history")["readings"]) == expected_rows(1, 5)["readings"]


def historian(data_dir: Path, config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "run", "historian"]
    with (data_dir / "historian.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--data-dir", data_dir, "--config", config],
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


async def test_after_kills_at_random_the_tables_are_those_of_a_rebuild(
    world: tuple[Broker, Bus], tmp_path: Path
) -> None:
    broker, bus = world
    data_dir = tmp_path / "data"
    write_private(address_file(data_dir), msgspec.json.encode(broker.address))
    config = tmp_path / "plant.toml"
    config.write_text("[history]\nflush_seconds = 0.02\n")
    telling = asyncio.create_task(tell(bus, 1, 1_000))
    chance = random.Random(11)
    deaths = 0
    while not telling.done() or deaths < 4:
        process = historian(data_dir, config)
        await asyncio.sleep(chance.uniform(0.8, 1.6))
        assert process.poll() is None, (data_dir / "historian.log").read_text()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        deaths += 1
    await telling
    process = historian(data_dir, config)
    await tell(bus, 1_000, 1_010)
    try:
        await until_all_is_written(bus)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    async with kept(bus, tmp_path / "again", Upkeep(timedelta(36500), compacts=False)):
        await eventually_equal(data_dir / "history", tmp_path / "again")
    rows = told(data_dir / "history")
    assert {name: len(found) for name, found in rows.items()} == expected_rows(1, 1_010)


async def eventually_equal(one: Path, other: Path) -> None:
    async def is_equal() -> bool:
        return (other / "scores").exists() and told(one) == told(other)

    await eventually(is_equal)
