"""Follow a real stream: live, rebuilt, through a kill of the server, past what cannot be read."""

from pathlib import Path

import pytest
from commits import PUMP, TANK, a_history, commit, outcome, plant_of, shown  # type: ignore[import-not-found]
from view_broker import eventually, running  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import ASSET_RULES, CONFIGURATION, outcomes_subject
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.views.follow import CatchUp, follow_plant, read_plant
from iot_edge_anomaly.views.plant import Plant
from iot_edge_anomaly.views.rules import keep_rules

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def store(bus: Bus, history: list[Commit]) -> None:
    for one in history:
        await bus.publish(outcomes_subject(one.partition), encode_commit(one))


async def test_rebuilt_is_live(tmp_path: Path) -> None:
    history = a_history(60)
    expected = shown(plant_of(history))
    async with running(tmp_path) as (_, bus):
        live, rebuilt, read = Plant(), Plant(), Plant()
        async with beside(follow_plant(bus, 2, live)):
            await store(bus, history)
            await eventually(lambda: live.positions == {0: 59, 1: 60} or live.positions == {0: 60, 1: 59})
        async with beside(follow_plant(bus, 2, rebuilt)):
            await eventually(lambda: rebuilt.positions == live.positions)
        await read_plant(bus, 2, read)
    assert shown(live) == shown(rebuilt) == shown(read) == expected


async def test_a_view_tells_when_it_has_come_to_the_end_of_what_was_stored(tmp_path: Path) -> None:
    history = a_history(60)
    async with running(tmp_path) as (_, bus):
        await store(bus, history)
        catch_up, plant = CatchUp(), Plant()
        assert not catch_up.is_done
        async with beside(follow_plant(bus, 2, plant, catch_up=catch_up)):
            await eventually(lambda: catch_up.is_done)
            assert sum(plant.positions.values()) == 119
        of_nothing = CatchUp()
        async with beside(follow_plant(bus, 2, Plant(), look_back=0, catch_up=of_nothing)):
            await eventually(lambda: of_nothing.is_done)


async def test_an_end_that_is_purged_meanwhile_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as (_, bus):
        await store(bus, a_history(10))
        last = bus.last

        async def last_and_purge(stream: str, subject: str) -> Message | None:
            found = await last(stream, subject)
            await bus.purge_subject(stream, subject)
            return found

        monkeypatch.setattr(bus, "last", last_and_purge)
        catch_up = CatchUp()
        async with beside(follow_plant(bus, 2, Plant(), catch_up=catch_up)):
            await eventually(lambda: catch_up.lacks(0) or catch_up.is_done)
            await eventually(lambda: catch_up.is_done)


def test_each_partition_must_come_to_its_end() -> None:
    catch_up = CatchUp()
    catch_up.reached(0, 99)
    assert not catch_up.is_done
    catch_up.begin({0: 5, 2: 9})
    for partition, seq, is_done in ((0, 4, False), (1, 99, False), (0, 5, False), (0, 6, False), (2, 12, True)):
        catch_up.reached(partition, seq)
        assert catch_up.is_done is is_done


async def test_a_follower_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    history = a_history(60)
    async with running(tmp_path) as (broker, bus):
        live = Plant()
        async with beside(follow_plant(bus, 2, live)):
            await store(bus, history[:30])
            await eventually(lambda: sum(live.positions.values()) >= 59)
            broker.kill()
            await broker.start()
            await eventually(lambda: bus.is_connected)
            await store(bus, history[30:])
            await eventually(lambda: sum(live.positions.values()) >= 119)
    assert shown(live) == shown(plant_of(history))


async def test_what_cannot_be_read_is_left_out_and_the_rest_is_shown(tmp_path: Path) -> None:
    history = a_history(10)
    async with running(tmp_path) as (_, bus):
        await store(bus, history[:5])
        await bus.publish(outcomes_subject(1), b"\x01garbage")
        await store(bus, history[5:])
        plant = Plant()
        await read_plant(bus, 2, plant)
    assert shown(plant) == shown(plant_of(history))


async def test_only_the_newest_commits_are_read_back(tmp_path: Path) -> None:
    history = a_history(40)
    async with running(tmp_path) as (_, bus):
        await store(bus, history)
        plant = Plant()
        await read_plant(bus, 2, plant, look_back=6)
    assert shown(plant) == shown(plant_of(history[-6:]))
    assert [count.accepted for count in plant.counts(TANK)] == [12]


async def test_changed_rules_reach_a_plant_that_is_followed_and_unreadable_ones_leave_it_as_it_was(
    tmp_path: Path,
) -> None:
    def rule(limit: float) -> tuple[AssetRule, ...]:
        return (AssetRule("*", AssetSettings(sensors={"flow": SensorSettings(high_limit=limit)})),)

    plant = Plant()
    plant.apply(commit(0, 1, outcome(PUMP)))
    assert plant.settings(PUMP).sensors == {}
    async with running(tmp_path) as (_, bus), beside(keep_rules(bus, plant, look_seconds=0.02)):
        for limit in (7.0, 8.0):
            await bus.put_key(CONFIGURATION, ASSET_RULES, pack_rules(rule(limit)))
            await eventually(lambda limit=limit: plant.rules == rule(limit))
            assert plant.settings(PUMP).sensors["flow"].high_limit == limit
        await bus.put_key(CONFIGURATION, ASSET_RULES, b"{")
        await bus.put_key(CONFIGURATION, ASSET_RULES, pack_rules(rule(9.0)))
        await eventually(lambda: plant.settings(PUMP).sensors["flow"].high_limit == 9.0)
