"""From a device to the stream: what the broker acknowledged is durable in READINGS, though broker and bus die."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from intakes import health_of, in_background  # type: ignore[import-not-found]
from mqtt_brokers import Device, EmbeddedBroker  # type: ignore[import-not-found]
from stream_contents import stored  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.streams import ensure_streams
from iot_edge_anomaly.connectors.mqtt import MqttConnector
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError

PARTITIONS, MESSAGES = 2, 60


def numbered(sequence: int) -> bytes:
    rows = [{"flow": sequence, "power": -sequence}]
    return msgspec.json.encode({"source": "plc", "epoch": 1, "sequence": sequence, "rows": rows})


@pytest.mark.server
def test_what_a_device_was_acknowledged_is_in_the_stream_though_the_server_died_twice(tmp_path: Path) -> None:
    async def scenario(broker: EmbeddedBroker) -> dict[int, list[float]]:
        async with connect(broker.address) as bus:
            await ensure_streams(bus, PARTITIONS, broker.address.quota_bytes)
            async with open_intake(bus, PARTITIONS) as intake:
                connector = MqttConnector(broker.settings)
                async with in_background(
                    run_all({"embedded": connector}, intake, SystemClock(), health_of("embedded"))
                ):
                    await first_taken(broker, bus)
                    await publish(broker)
                    return await all_stored(bus)

    async def first_taken(broker: EmbeddedBroker, bus: Bus) -> None:
        """Publish until the connector's session is known to the broker, from when on nothing may be lost."""
        with Device(broker) as device:
            while not await stored(bus, PARTITIONS):
                await asyncio.to_thread(device.publish, "ingress/acme/pump", numbered(0))
                await asyncio.sleep(0.05)

    async def publish(broker: EmbeddedBroker) -> None:
        with Device(broker) as device:
            for sequence in range(MESSAGES):
                if sequence in (MESSAGES // 3, 2 * MESSAGES // 3):
                    broker.kill()
                    await asyncio.to_thread(broker.start)
                await asyncio.to_thread(device.publish, "ingress/acme/pump", numbered(sequence))

    async def all_stored(bus: Bus) -> dict[int, list[float]]:
        async with asyncio.timeout(60):
            while True:
                try:
                    found = await stored(bus, PARTITIONS)
                except UnavailableError:
                    found = {}
                if len(found) == MESSAGES:
                    return found
                await asyncio.sleep(0.1)

    with EmbeddedBroker(tmp_path) as broker:
        broker.start()
        found = asyncio.run(scenario(broker))
    assert found == {sequence: [sequence, -sequence] for sequence in range(MESSAGES)}
