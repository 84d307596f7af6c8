"""Rules of the file and of people on a real server: no change is lost, every partition knows the last word."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from rule_bus import running, told  # type: ignore[import-not-found]

from iot_edge_anomaly.app.configure import publish_configuration
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.streams import ASSET_RULES, CONFIGURATION
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.operations.rule_store import RULE_SOURCES, LimitsSet, RuleStore, Sources
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.views.rules import read_rules

pytestmark = [pytest.mark.anyio, pytest.mark.server]

FILE = (AssetRule("*", AssetSettings(sensors={"flow": SensorSettings(unit="m³/h", high_limit=12.0)})),)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def limit(asset: str, high: float | None, sensor: str = "flow") -> LimitsSet:
    return LimitsSet(asset, sensor, SensorSettings(high_limit=high), "ada", 5, "why not")


async def test_what_people_set_stays_when_the_file_changes_and_goes_when_it_is_cleared(tmp_path: Path) -> None:
    async with running(tmp_path) as bus, open_intake(bus, 2) as intake:
        store = RuleStore(bus, intake, SystemClock())
        await publish_configuration(bus, 2, FILE)
        await store.change(lambda known: known.with_limits(limit("acme/pump", 14.0)))
        version = await publish_configuration(bus, 2, ())
        assert await publish_configuration(bus, 2, ()) == version, "told before: nothing new is told"
        await store.change(lambda known: known.with_limits(limit("acme/pump", None)))
        assert await read_rules(bus) == ()
        with_limit = Sources(FILE, (limit("acme/pump", 14.0),)).rules
        assert await told(bus) == [[FILE, with_limit, with_limit[1:], ()]] * 2


async def test_of_many_who_change_at_once_nobody_is_lost_and_all_partitions_know_the_last_word(tmp_path: Path) -> None:
    async with running(tmp_path) as bus, open_intake(bus, 2) as intake:
        stores = [RuleStore(bus, intake, SystemClock()) for _ in range(4)]

        async def set_many(number: int) -> None:
            for turn in range(6):
                changed = limit(f"acme/pump-{number}", float(turn), f"sensor-{turn}")
                await stores[number].change(lambda known, changed=changed: known.with_limits(changed))

        await asyncio.gather(*map(set_many, range(4)), publish_configuration(bus, 2, FILE))
        sources = await stores[0].read()
        assert sources.file == FILE
        assert len(sources.limits) == 24
        assert await read_rules(bus) == sources.rules
        assert [rules[-1] for rules in await told(bus)] == [sources.rules] * 2


class Interrupted:
    """An intake that breaks down once, before or after it has stored."""

    def __init__(self, intake: object, *, stores: bool) -> None:
        self._intake = intake
        self._stores = stores
        self.is_down = True

    async def accept(self, items: object) -> None:
        if self._stores or not self.is_down:
            await self._intake.accept(items)  # type: ignore[attr-defined]
        if self.is_down:
            self.is_down = False
            raise UnavailableError("the bus is down")


@pytest.mark.parametrize("stores", [False, True])
async def test_a_change_that_broke_off_on_the_way_is_told_by_the_next_start(tmp_path: Path, stores: bool) -> None:
    async with running(tmp_path) as bus, open_intake(bus, 2) as intake:
        await publish_configuration(bus, 2, FILE)
        store = RuleStore(bus, Interrupted(intake, stores=stores), SystemClock())
        with pytest.raises(UnavailableError):
            await store.change(lambda known: known.with_limits(limit("acme/pump", 14.0)))
        await publish_configuration(bus, 2, FILE)
        sources = await store.read()
        assert sources.limits == (limit("acme/pump", 14.0),)
        assert [rules[-1] for rules in await told(bus)] == [sources.rules] * 2


async def test_rules_from_before_people_could_set_any_are_taken_over(tmp_path: Path) -> None:
    async with running(tmp_path) as bus:
        await bus.put_key(CONFIGURATION, ASSET_RULES, pack_rules(FILE))
        await publish_configuration(bus, 2, FILE)
        assert await told(bus) == [[], []], "they are known already"


async def test_sources_of_another_version_are_refused_in_words(tmp_path: Path) -> None:
    async with running(tmp_path) as bus, open_intake(bus, 2) as intake:
        await bus.put_key(CONFIGURATION, RULE_SOURCES, msgspec.json.encode({"file": 7}))
        with pytest.raises(ConfigError, match="do not fit this version"):
            await RuleStore(bus, intake, SystemClock()).read()
