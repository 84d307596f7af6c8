"""A real NATS server with streams that tell of a small plant, and what tables hold in a form that can be compared."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from deltalake import DeltaTable

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.codec import encode_commit, encode_items
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import ensure_streams, outcomes_subject, readings_subject
from iot_edge_anomaly.core.messages import Item, SetAside, Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import (
    AlarmEvent,
    AlarmState,
    AssetOutcome,
    Commit,
    Contributor,
    Notice,
    Phase,
    Priority,
    Rows,
)
from iot_edge_anomaly.historian.schema import SCHEMAS

SETTINGS = BusSettings(quota_mb=64, partitions=2)
PARTITIONS = SETTINGS.partitions
NS = 1_000_000_000
BEGIN = 1_790_000_000 * NS
PUMP, TANK = AssetKey("acme", "site/it's a pump"), AssetKey("acme", "site/tank")
KEYS = (PUMP, TANK)


class Broker:
    def __init__(self, folder: Path) -> None:
        self.port, mqtt_port = free_port(), free_port()
        self.address = embedded_address(folder, SETTINGS, port=self.port, mqtt_port=mqtt_port)
        configuration = write_configuration(folder, SETTINGS, port=self.port, mqtt_port=mqtt_port, devices=())
        self._command = [str(server_binary(SETTINGS)), "-c", str(configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        async with asyncio.timeout(20):
            await until_ready(self.address)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Broker, Bus]]:
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder)
    await broker.start()
    try:
        async with connect(broker.address) as bus:
            await ensure_streams(bus, PARTITIONS, broker.address.quota_bytes)
            yield broker, bus
    finally:
        broker.kill()


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


def rows(number: int, sensors: Sequence[str] = ("flow", "level"), count: int = 2) -> Rows:
    """Rows of a few seconds, which differ from number to number."""
    value = np.arange(count * len(sensors), dtype="<f8").reshape(count, -1) + number
    score = value[:, 0] / 10
    return Rows(
        tuple(sensors),
        (BEGIN + (np.arange(count) + count * number) * NS).astype("<i8").tobytes(),
        value.tobytes(),
        score.astype("<f8").tobytes(),
        bytes([number % 4, *bytes(count - 1)]),
        (value - 1).astype("<f4").tobytes(),
        (value * 0.5).astype("<f4").tobytes(),
        Phase.CALIBRATED,
        "sha256:m",
    )


def items(partition: int, number: int) -> list[Item]:
    """What a device of a partition sends as message `number`: with a tick, at times two batches, at times none."""
    readings = [(BEGIN + number * NS + place, name, number + place / 2) for place, name in enumerate(("flow", "level"))]
    batches = [
        batch_of(KEYS[partition], f"plc-{place}", readings, received_ns=BEGIN + number * NS, sequence=number)
        for place in range(number % 3)
    ]
    return [Tick(BEGIN + number * NS), *batches]


def commit(partition: int, number: int) -> Commit:
    """What the step over that message concluded; every few there is an alarm, a notice, a record set aside."""
    key, at = KEYS[partition], BEGIN + number * NS
    alarm = AlarmEvent(
        f"A{number}",
        f"I{number // 10}",
        "score",
        "raise",
        AlarmState.NORMAL,
        AlarmState.UNACKNOWLEDGED,
        at,
        Priority.HIGH,
        f"it is odd: {number}",
        1.5,
        contributors=(Contributor("flow", 0.75, 1.0, 2.0, "l/s"), Contributor("level", 0.25, 1.0, 2.0)),
    )
    outcome = AssetOutcome(
        key.tenant,
        key.asset,
        Phase.CALIBRATED,
        1.0,
        rows=rows(number) if number % 2 else None,
        alarms=(alarm,) if number % 5 == 0 else (),
        notices=(Notice("maintenance", "", "says ada", 0),) if number % 7 == 0 else (),
        set_aside=(("plc", SetAside(0, "flow", f"reason {number}", b"\xffraw")),) if number % 11 == 0 else (),
    )
    return Commit(partition, number, number, at, (outcome,))


async def tell(bus: Bus, first: int, last: int) -> None:
    """Store what happened from one number to another, in both partitions."""
    for number in range(first, last):
        for partition in range(PARTITIONS):
            await bus.publish(readings_subject(partition), encode_items(items(partition, number)))
            await bus.publish(outcomes_subject(partition), encode_commit(commit(partition, number)))


def told(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of all tables, in an order that does not depend on how they were written."""
    return {name: sorted(table_rows(folder / name), key=repr) for name in SCHEMAS}


def table_rows(path: Path) -> list[tuple[object, ...]]:
    read = DeltaTable(path).scan().read_all()
    return list(zip(*(read.column(name).to_pylist() for name in read.column_names), strict=True)) if len(read) else []


def expected_rows(first: int, last: int) -> dict[str, int]:
    """How many rows each table has of what `tell` stored."""
    numbers = range(first, last)
    corrected = sum(1 for number in numbers if number % 2 and number % 4 == 1)
    return {
        "readings": PARTITIONS * sum(2 * (number % 3) for number in numbers),
        "scores": PARTITIONS * sum(2 * (number % 2) for number in numbers),
        "alarms": PARTITIONS * sum(number % 5 == 0 for number in numbers),
        "corrections": PARTITIONS * (corrected + sum((n % 7 == 0) + (n % 11 == 0) for n in numbers)),
    }
