"""What tests of Modbus read and compare: points, connectors, numbers as they go over the wire."""

import asyncio
import math
import struct
from collections.abc import Callable

from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]
from structlog.testing import capture_logs

from iot_edge_anomaly.connectors.modbus import ModbusConnector
from iot_edge_anomaly.connectors.modbus_settings import ModbusDevice, ModbusPoint, ModbusSettings
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.messages import Batch

CLOCK = SystemClock()
Lines = list[dict[str, object]]

CODES = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f"}
SAMPLES = {
    "int16": -12345,
    "uint16": 54321,
    "int32": -1_234_567_890,
    "uint32": 4_123_456_789,
    "int64": -(2**52) + 12345,
    "uint64": 2**53 - 98765,
    "float32": -1234.5,
    "float64": math.pi,
}
ORDERS = {
    "ABCD": lambda words: words,
    "CDAB": lambda words: words[::-1],
    "BADC": lambda words: [word[::-1] for word in words],
    "DCBA": lambda words: [word[::-1] for word in words[::-1]],
}


def on_the_wire(big_endian: bytes, order: str) -> bytes:
    words = [big_endian[at : at + 2] for at in range(0, len(big_endian), 2)]
    return b"".join(ORDERS[order](words))


def point(sensor: str, address: int, kind: str = "holding", read_as: str | None = None, **more: object) -> ModbusPoint:
    return ModbusPoint(sensor=sensor, address=address, kind=kind, type=read_as, **more)  # type: ignore[arg-type]


def device(*points: ModbusPoint, unit: int = 1, asset: str = "acme/pump", seconds: float = 0.05) -> ModbusDevice:
    return ModbusDevice(asset=asset, points=points, unit=unit, seconds=seconds)


def connector(port: int, *devices: ModbusDevice, timeout: float = 2.0, gap: int = 16) -> ModbusConnector:
    return ModbusConnector(ModbusSettings(devices=devices, port=port, timeout_seconds=timeout, largest_gap=gap))


def read(made: ModbusConnector, holds: Callable[[RecordingIntake], bool]) -> tuple[RecordingIntake, Lines]:
    """Run a connector until the intake holds what is wanted; return it and what was logged."""

    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        attempt = asyncio.ensure_future(made.run(intake, CLOCK))
        async with in_background(attempt):
            await until(lambda: holds(intake) or attempt.done())
            if attempt.done():
                attempt.result()
        return intake

    with capture_logs() as lines:
        return asyncio.run(scenario()), list(lines)


def rows(count: int) -> Callable[[RecordingIntake], bool]:
    return lambda intake: len(intake.batches) >= count


def values(batch: Batch) -> dict[str, float]:
    return dict(zip([batch.sensors[at] for at in batch.sensor_indices()], batch.values().tolist(), strict=True))


def words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}H", *numbers)
