"""A system of pipeline and view on a real stream: an operator's acts are seen, and by late comers too."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from view_broker import eventually, running  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.messages import Item, PlantConfigured, batch_of
from iot_edge_anomaly.core.names import AssetKey, partition_of
from iot_edge_anomaly.core.outcomes import AlarmState
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.rule_store import RuleStore
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.security.principal import owner
from iot_edge_anomaly.views.follow import follow_plant, read_plant
from iot_edge_anomaly.views.plant import AlarmView, Plant

pytestmark = [pytest.mark.anyio, pytest.mark.server]
NS = 1_000_000_000
FIRST, SECOND = (
    next(key for n in range(100) if partition_of(key := AssetKey("acme", f"pump-{n}"), 2) == partition)
    for partition in range(2)
)
RULES = (AssetRule("*", AssetSettings(lateness_seconds=0.0, sensors={"flow": SensorSettings(high_limit=14.0)})),)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def readings(flow: float) -> list[Item]:
    now = SystemClock().now_ns()
    times = [now + row * NS for row in range(3)]
    return [
        batch_of(key, "plc", [(time, "flow", flow) for time in times], received_ns=now, sequence=0)
        for key in (FIRST, SECOND)
    ]


def only_alarm(plant: Plant, key: AssetKey) -> AlarmView:
    (alarm,) = plant.recent_alarms(key)
    return alarm


def state(plant: Plant, key: AssetKey) -> AlarmState | None:
    alarms = plant.recent_alarms(key)
    return alarms[0].latest.after if alarms else None


async def test_acts_are_seen_at_once_and_by_a_view_that_begins_after_them(tmp_path: Path) -> None:
    stop, live, late = asyncio.Event(), Plant(RULES), Plant(RULES)
    async with running(tmp_path) as (_, bus), open_intake(bus, 2) as intake:
        async with asyncio.TaskGroup() as processors, beside(follow_plant(bus, 2, live)):
            for partition in range(2):
                processors.create_task(Processor(bus, partition, AnomalyPipeline(), unpack).run(stop))
            await intake.accept([PlantConfigured("v1", pack_rules(RULES), 1), *readings(15.0)])
            await eventually(lambda: all(state(live, key) for key in (FIRST, SECOND)))
            operations = Operations(live, intake, SystemClock(), RuleStore(bus, intake, SystemClock()))
            name = only_alarm(live, FIRST).raised.alarm_id
            await operations.acknowledge(owner("ada"), FIRST, name)
            await operations.maintenance(owner("ada"), SECOND, timedelta(hours=1))
            await eventually(lambda: state(live, FIRST) is AlarmState.ACKNOWLEDGED)
            await eventually(lambda: state(live, SECOND) is AlarmState.OUT_OF_SERVICE)
            stop.set()
        await read_plant(bus, 2, late, look_back=1)
    for key in (FIRST, SECOND):
        now, then = only_alarm(late, key), only_alarm(live, key)
        assert now.raised.reason == "flow 15 above its high limit of 14"
        assert (now.raised.alarm_id, now.raised.time_ns) == (then.raised.alarm_id, then.raised.time_ns)
        assert (now.raised.incident_id, now.latest.after) == (then.raised.incident_id, then.latest.after)
        shown, meant = late.asset(key), live.asset(key)
        assert shown is not None
        assert meant is not None
        assert shown.maintenance_until_ns == meant.maintenance_until_ns
        assert (shown.phase, shown.time_ns, shown.alarms) == (meant.phase, meant.time_ns, (now,))
