"""From alarm to replay after all that may go has gone: checkpoint, purge, sweep, a copy elsewhere, another server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from bus_server import BusServer, eventually
from click.testing import Result
from partition_runs import ACTIVATED, LIMITED, NORMAL, NS, T0, all_of, commits_of, processing, put_in, row, usual
from typer.testing import CliRunner

from iot_edge_anomaly.bus import since
from iot_edge_anomaly.bus import sweep as sweep_room
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import read_manifests
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.janitor import purge_outcomes, purge_readings, sweep_blobs
from iot_edge_anomaly.bus.ledger import reconcile
from iot_edge_anomaly.bus.retention import Retention, prune_capsules
from iot_edge_anomaly.bus.settings import BusSettings, address_file
from iot_edge_anomaly.bus.streams import READINGS, readings_subject
from iot_edge_anomaly.bus.sweep import Look
from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.core.messages import Item, PlantConfigured, Tick
from iot_edge_anomaly.core.outcomes import AlarmEvent
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.security.private_file import write_private

pytestmark = [pytest.mark.anyio, pytest.mark.server]

EVERYTHING = 1 << 40
PARTITIONS = 2
STUCK, SILENT = SensorSettings(stuck_seconds=10.0), 20.0
RULES = (
    AssetRule(
        "acme/*",
        AssetSettings(
            lateness_seconds=0.0,
            learn_rows=10_000,
            silence_seconds=SILENT,
            sensors={"flow": LIMITED, "pressure": STUCK},
        ),
    ),
)
CONFIGURED = PlantConfigured("v1", pack_rules(RULES), T0)


def story() -> list[tuple[list[Item], set[str]]]:
    """What happens to a pump, and what has been raised by then: too much flow, a stuck pressure, silence."""
    too_much: list[Item] = [row(second, 20.0, 3.0) for second in range(20, 28)]
    stuck: list[Item] = [row(second, float(NORMAL[second][0]), 3.1) for second in range(45, 65)]
    ticks: list[Item] = [Tick(T0 + second * NS) for second in range(66, 66 + 2 * int(SILENT))]
    return [
        ([CONFIGURED, ACTIVATED, *usual(range(20))], set()),
        ([*too_much, *usual(range(28, 45))], {"score", "limit"}),
        (stuck, {"score", "limit", "stuck"}),
        (ticks, {"score", "limit", "stuck", "silence"}),
    ]


async def raised(bus: Bus) -> list[AlarmEvent]:
    return [alarm for outcome in all_of(await commits_of(bus)) for alarm in outcome.alarms if alarm.event == "raise"]


def kinds(alarms: Sequence[AlarmEvent]) -> set[str]:
    return {alarm.condition.partition(":")[0] for alarm in alarms}


async def live_through(bus: Bus) -> list[AlarmEvent]:
    """Have a worker work in one part of the story after the other, with a checkpoint after each."""
    for items, expected in story():
        await put_in(bus, items)

        async def is_told(expected: set[str] = expected) -> bool:
            return bool(await commits_of(bus)) and kinds(await raised(bus)) >= expected

        async with processing(bus):
            await eventually(is_told)
    await put_in(bus, [Tick(T0 + 1000 * NS)])
    async with processing(bus):
        newest = await bus.last(READINGS, readings_subject(0))
        assert newest is not None

        async def has_come() -> bool:
            last = await bus.last(READINGS, readings_subject(0))
            return last is not None and (await read_manifests(bus, 0))[0][0].position >= newest.seq

        await eventually(has_come)
    return await raised(bus)


async def tidy_up(bus: Bus) -> None:
    """Purge and sweep all that may go."""
    looks: tuple[Look, ...] = ()
    for partition in range(PARTITIONS):
        await purge_readings(bus, partition, EVERYTHING)
        await purge_outcomes(bus, partition, EVERYTHING)
    for _ in range(4):
        looks = await sweep_blobs(bus, PARTITIONS, looks)


@asynccontextmanager
async def elsewhere(data_dir: Path, copy: Path) -> AsyncIterator[Bus]:
    """A copy of a data folder under another server."""
    shutil.copytree(data_dir, copy)
    server = BusServer(copy, BusSettings(quota_mb=64, partitions=PARTITIONS))
    try:
        await server.start()
        write_private(address_file(copy), msgspec.json.encode(server.address))
        async with connect(server.address, "elsewhere") as bus:
            yield bus
    finally:
        server.stop()


async def ask(copy: Path, alarm_id: str) -> Result:
    command = ["replay-alarm", alarm_id, "--data-dir", str(copy)]
    return await asyncio.to_thread(CliRunner().invoke, app, command)


async def test_every_kind_of_alarm_replays_exactly_from_a_copy_after_all_that_may_go_has_gone(
    bus_server: BusServer, nats_bus: Bus, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_room, "NAME_WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(since, "CHECKPOINT_SECONDS", 0.2)
    alarms = await live_through(nats_bus)
    assert kinds(alarms) == {"score", "limit", "stuck", "silence"}
    model = ACTIVATED.digest
    await tidy_up(nats_bus)
    assert await nats_bus.first(READINGS, readings_subject(0)) is None
    assert model in await Blobs(nats_bus).list()
    bus_server.stop()
    copy = tmp_path_factory.mktemp("elsewhere") / "data"
    async with elsewhere(bus_server.data_dir, copy) as bus:
        for alarm in alarms:
            done = await ask(copy, alarm.alarm_id)
            assert done.exit_code == 0, (alarm, done.output, done.exception)
            assert f"{alarm.alarm_id}: exact\n{alarm.reason}\n" in done.output
        balance = await reconcile(bus, PARTITIONS)
        assert balance.is_balanced
        assert sum(line.accepted for line in balance.lines) > 0
        await prune_capsules(bus, Retention(1e-9, 1), 1 << 62)
        done = await ask(copy, alarms[0].alarm_id)
        assert done.exit_code == 1
        assert "can be listed but not replayed: " in repr(done.exception)
