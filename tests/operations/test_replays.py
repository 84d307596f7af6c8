"""Replays over a real store: of an alarm just raised once it is sealed, of others at once or not at all."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from operations_bus import served  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import FORMAT, Capsule, Match, inputs_of, mark_not_sealed, seal
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Envelope, PlantConfigured, Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.operations.replays import Replays
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal, owner

NS = 1_000_000_000
START_NS = 1_790_000_000 * NS
KEY = AssetKey("acme", "site/pump")
RIVAL = Principal("rival", frozenset({"rival"}), frozenset(Permission))
SOON_SECONDS = 0.5

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def capsule_of_a_limit() -> Capsule:
    """An alarm of a flow beyond its limit, from the first second of a partition on."""
    limited = AssetSettings(lateness_seconds=0.0, sensors={"flow": SensorSettings(unit="m³/h", high_limit=14.0)})
    configured = PlantConfigured("v1", pack_rules((AssetRule("acme/*", limited),)), START_NS)
    readings = [(START_NS + second * NS, "flow", 20.0) for second in range(10)]
    batch = batch_of(KEY, "plc", readings, received_ns=START_NS)
    envelopes = [Envelope((configured, batch, Tick(START_NS + 60 * NS)), 1)]
    pipeline = AnomalyPipeline()
    _, outcomes = pipeline.step(pipeline.new_state(), envelopes, {})
    raised = next(alarm for outcome in outcomes for alarm in outcome.alarms if alarm.event == "raise")
    inputs = inputs_of(KEY, envelopes, 1)
    return Capsule(FORMAT, 0, KEY.tenant, KEY.asset, None, None, inputs, {}, raised)


CAPSULE = capsule_of_a_limit()
ALARM_ID = CAPSULE.alarm.alarm_id


async def test_a_sealed_alarm_comes_out_exactly_and_a_changed_one_differently(tmp_path: Path) -> None:
    changed = msgspec.structs.replace(CAPSULE.alarm, alarm_id="Achanged", reason="something else")
    async with served(tmp_path) as bus:
        await seal(bus, Blobs(bus), CAPSULE, msgspec.structs.replace(CAPSULE, alarm=changed))
        found = await Replays(bus).replay(owner("ada"), KEY, ALARM_ID)
        assert (found.match, found.recorded, found.replayed) == (Match.EXACT, CAPSULE.alarm, CAPSULE.alarm)
        assert (await Replays(bus).replay(owner("ada"), KEY, "Achanged")).match is Match.MISSING


async def test_an_alarm_just_raised_is_replayed_as_soon_as_it_is_sealed(tmp_path: Path) -> None:
    async with served(tmp_path) as bus, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(Replays(bus).replay(owner("ada"), KEY, ALARM_ID))
        done, _ = await asyncio.wait([asked], timeout=SOON_SECONDS)
        assert not done
        await seal(bus, Blobs(bus), CAPSULE)
        assert (await asked).match is Match.EXACT


async def test_what_was_never_sealed_is_said_at_once_and_what_is_not_there_after_a_while(tmp_path: Path) -> None:
    async with served(tmp_path) as bus:
        await mark_not_sealed(bus, ALARM_ID, "a storm of alarms")
        with pytest.raises(RejectedError, match="a storm of alarms"):
            await Replays(bus, patience_seconds=3_600).replay(owner("ada"), KEY, ALARM_ID)
        with pytest.raises(RejectedError, match="no capsule"):
            await Replays(bus, patience_seconds=SOON_SECONDS).replay(owner("ada"), KEY, "Alost")


async def test_only_who_may_see_the_asset_may_replay_and_only_its_own_alarms(tmp_path: Path) -> None:
    async with served(tmp_path) as bus:
        await seal(bus, Blobs(bus), CAPSULE)
        with pytest.raises(ForbiddenError):
            await Replays(bus).replay(RIVAL, KEY, ALARM_ID)
        with pytest.raises(RejectedError, match="rival/press has no alarm"):
            await Replays(bus).replay(RIVAL, AssetKey("rival", "press"), ALARM_ID)
