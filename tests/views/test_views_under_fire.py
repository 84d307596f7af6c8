"""The role `views`, killed at random on a real stream: it keeps what a rebuild from scratch keeps, row by row."""

import asyncio
import random
import sqlite3
from pathlib import Path

import pytest
from commits import (  # type: ignore[import-not-found]
    NORMAL,
    NS,
    PUMP,
    UNSEEN,
    a_history,
    commit,
    event,
    outcome,
)
from kept import records, rows  # type: ignore[import-not-found]
from view_broker import eventually, running  # type: ignore[import-not-found]
from views_role import ViewsRole  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.janitor import purge_outcomes
from iot_edge_anomaly.bus.reservations import reserved
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.views.keep import keep_records
from iot_edge_anomaly.views.records import AlarmFilter

pytestmark = [pytest.mark.anyio, pytest.mark.server]

KILLS = 12
PARTITIONS = 2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def store(bus: Bus, history: list[Commit]) -> None:
    for one in history:
        await bus.publish(outcomes_subject(one.partition), encode_commit(one))


async def ends(bus: Bus) -> dict[int, int]:
    newest = {partition: await bus.last(OUTCOMES, outcomes_subject(partition)) for partition in range(PARTITIONS)}
    return {partition: message.seq for partition, message in newest.items() if message is not None}


def positions(path: Path) -> dict[int, int]:
    try:
        return records(path).positions()
    except UnavailableError:
        return {}


async def until_written(bus: Bus, path: Path) -> None:
    wanted = await ends(bus)
    await eventually(lambda: positions(path) == wanted)


async def rebuilt(bus: Bus, path: Path) -> dict[str, list[object]]:
    async with beside(keep_records(bus, PARTITIONS, path, 400)):
        await until_written(bus, path)
    return rows(path)


async def test_killed_at_random_it_keeps_what_a_rebuild_keeps(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with running(tmp_path) as (broker, bus):
        role = ViewsRole(tmp_path, broker.address)
        history = iter(a_history(20_000))
        seen = set()

        async def commit_on() -> None:
            for one in history:
                await store(bus, [one])
                await asyncio.sleep(0.002)

        role.start()
        async with beside(commit_on()):
            for _ in range(KILLS):
                before = sum(positions(role.database).values())
                if chance.random() < 0.7:
                    await eventually(lambda before=before: sum(positions(role.database).values()) > before)
                await asyncio.sleep(chance.random() * 0.3)
                role.kill()
                seen.add(sum(positions(role.database).values()))
                role.start()
            await eventually(lambda: sum(positions(role.database).values()) > max(seen))
        await until_written(bus, role.database)
        assert role.stop() == 0
        kept = rows(role.database)
        assert kept == await rebuilt(bus, tmp_path / "rebuilt.db")
    assert len(seen) > KILLS // 2, "it was killed at many places"
    assert len(kept["transitions"]) > 100
    assert "Traceback" not in role.log()


async def test_it_goes_on_when_the_server_was_killed(tmp_path: Path) -> None:
    history = a_history(60)
    async with running(tmp_path) as (broker, bus), beside(keep_records(bus, PARTITIONS, tmp_path / "views.db", 400)):
        await store(bus, history[:30])
        await until_written(bus, tmp_path / "views.db")
        broker.kill()
        await broker.start()
        await eventually(lambda: bus.is_connected)
        await store(bus, history[30:])
        await until_written(bus, tmp_path / "views.db")
        kept = rows(tmp_path / "views.db")
        assert kept == await rebuilt(bus, tmp_path / "rebuilt.db")


async def set_aside_and_rebuilt(bus: Bus, path: Path) -> dict[str, list[object]]:
    aside = Path(f"{path}.set-aside")
    aside.unlink(missing_ok=True)
    async with beside(keep_records(bus, PARTITIONS, path, 400)):
        await eventually(aside.exists)
        await until_written(bus, path)
    return rows(path)


async def test_a_damaged_file_and_one_of_another_layout_are_set_aside_and_built_anew(tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    async with running(tmp_path) as (_, bus):
        await store(bus, a_history(60))
        kept = await rebuilt(bus, path)
        path.write_bytes(b"SQLite format 3\0" + b"\x55" * 5_000)
        assert await set_aside_and_rebuilt(bus, path) == kept
        with sqlite3.connect(path) as database:
            database.execute("UPDATE layout SET version = 999")
        assert await set_aside_and_rebuilt(bus, path) == kept
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        assert await set_aside_and_rebuilt(bus, path) == kept


async def test_what_was_written_of_another_stream_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    async with running(tmp_path / "first") as (_, bus):
        await store(bus, a_history(60))
        await rebuilt(bus, path)
    async with running(tmp_path / "shorter") as (_, bus):
        await store(bus, [Commit(0, n, n, (1_000 + n) * NS, (outcome(PUMP),)) for n in range(1, 10)])
        assert len((await set_aside_and_rebuilt(bus, path))["alarms"]) == 0
    async with running(tmp_path / "longer") as (_, bus):
        await store(bus, [Commit(0, n, n, (9_000 + n) * NS, (outcome(PUMP),)) for n in range(1, 100)])
        kept = await set_aside_and_rebuilt(bus, path)
        assert kept == await rebuilt(bus, tmp_path / "fresh.db")


async def test_of_a_stream_that_was_purged_what_is_left_is_kept_and_the_rest_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = [commit(0, n, outcome(PUMP, alarms=(event(f"A{n}", NORMAL, UNSEEN, n),))) for n in range(1, 31)]
    async with running(tmp_path) as (_, bus):
        await store(bus, history)
        assert await purge_outcomes(bus, 0, 21) == 20
        await rebuilt(bus, tmp_path / "views.db")
    kept = records(tmp_path / "views.db")
    assert [one.alarm.raised.alarm_id for one in kept.alarms(AlarmFilter("*"))] == [f"A{n}" for n in range(30, 20, -1)]
    assert kept.missing() == {0: 20}
    assert "commits were purged before they were written" in capsys.readouterr().out


async def test_what_is_not_written_yet_is_reserved(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, bus):
        await store(bus, a_history(60))
        async with beside(keep_records(bus, PARTITIONS, tmp_path / "views.db", 400)):
            await until_written(bus, tmp_path / "views.db")
            wanted = {OUTCOMES: await ends(bus)}
            async with asyncio.timeout(30):
                while await reserved(bus) != wanted:
                    await asyncio.sleep(0.05)
        await store(bus, [commit(0, n, outcome(PUMP)) for n in range(61, 80)])
        assert await purge_outcomes(bus, 0, 75) == 0 or await bus.first(OUTCOMES, outcomes_subject(0), 61) is not None
        async with beside(keep_records(bus, PARTITIONS, tmp_path / "views.db", 400)):
            await until_written(bus, tmp_path / "views.db")
    assert records(tmp_path / "views.db").missing() == {}
