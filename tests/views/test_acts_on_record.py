"""Every act leaves who, when and why in the view database: acts on a real stream, worked in, written and read."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from kept import records  # type: ignore[import-not-found]
from view_broker import eventually, running  # type: ignore[import-not-found]

from iot_edge_anomaly.app.configure import publish_configuration
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.rule_store import RuleStore
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.security.principal import owner
from iot_edge_anomaly.views.follow import follow_plant
from iot_edge_anomaly.views.keep import keep_records
from iot_edge_anomaly.views.plant import Plant
from iot_edge_anomaly.views.records import AlarmRecord, KeptNotice

pytestmark = [pytest.mark.anyio, pytest.mark.server]
NS = 1_000_000_000
PUMP = AssetKey("acme", "pump")
RULES = (AssetRule("*", AssetSettings(lateness_seconds=0.0)),)
ADA = owner("Dr. Ada")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_acts_stand_on_record(tmp_path: Path) -> None:
    stop, plant, kept = asyncio.Event(), Plant(RULES), records(tmp_path / "views.db")

    def notices(kind: str) -> list[KeptNotice]:
        try:
            return [one for one in kept.notices("*", 0) if one.kind == kind]
        except UnavailableError:
            return []

    def alarm(alarm_id: str) -> AlarmRecord:
        found = kept.alarm(alarm_id)
        assert found is not None
        return found

    async with running(tmp_path) as (_, bus), open_intake(bus, 2) as intake, asyncio.TaskGroup() as processors:
        for partition in range(2):
            processors.create_task(Processor(bus, partition, AnomalyPipeline(), unpack).run(stop))
        async with beside(follow_plant(bus, 2, plant), keep_records(bus, 2, tmp_path / "views.db", 400)):
            sent = 0

            async def read(flow: float) -> None:
                nonlocal sent
                now = SystemClock().now_ns() + 3 * sent * NS
                rows = [(now + row * NS, "flow", flow + row / 100) for row in range(3)]
                await intake.accept([batch_of(PUMP, "plc", rows, received_ns=now, sequence=sent)])
                sent += 1

            operations = Operations(plant, intake, SystemClock(), RuleStore(bus, intake, SystemClock()), kept)
            await publish_configuration(bus, 2, RULES)
            await read(15.0)
            await eventually(lambda: plant.trend(PUMP) is not None)
            await operations.set_limits(ADA, PUMP, "flow", {"high_limit": 14.0}, "new impeller")
            await read(15.5)
            await eventually(lambda: bool(plant.recent_alarms(PUMP)))
            (raised,) = plant.recent_alarms(PUMP)
            name = raised.raised.alarm_id
            assert raised.raised.reason.endswith("above its high limit of 14")
            await operations.acknowledge_several(ADA, [name], "on my way")
            await operations.shelve(ADA, PUMP, "limit:flow:H", timedelta(hours=1), "flushing")
            await operations.feedback(ADA, PUMP, name, was_right=False, note="flushing. It was planned")
            await operations.maintenance(ADA, PUMP, timedelta(hours=1), "new seal")
            await operations.new_normal(ADA, PUMP, "another pump")
            await eventually(lambda: bool(notices("new-normal")))
        stop.set()
    found = alarm(name)
    acts = [(each.event, each.by, each.note) for each in found.alarm.transitions]
    assert acts == [
        ("raise", "", ""),
        ("acknowledge", "Dr. Ada", "on my way"),
        ("shelve", "Dr. Ada", "flushing"),
    ]
    assert found.verdict is not None
    assert found.verdict[:3] == (False, "Dr. Ada", "flushing. It was planned")
    for kind, note in (("limits", "new impeller"), ("maintenance", "new seal"), ("new-normal", "another pump")):
        (notice,) = notices(kind)
        assert (notice.key, notice.by, notice.note) == (PUMP, "Dr. Ada", note)
    assert notices("limits")[0].text == "limits of flow: high limit 14 instead of none, says Dr. Ada"
