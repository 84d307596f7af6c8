"""A real NATS server with its streams, and what its partitions were told last."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.server import embedded_address, server_binary, until_ready, write_configuration
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.bus.streams import READINGS, ensure_streams, readings_subject
from iot_edge_anomaly.core.messages import PlantConfigured
from iot_edge_anomaly.pipeline.settings import AssetRule, unpack_rules

SETTINGS = BusSettings(quota_mb=64, partitions=2)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bus]:
    port, mqtt_port = free_port(), free_port()
    address = embedded_address(folder, SETTINGS, port=port, mqtt_port=mqtt_port)
    configuration = write_configuration(folder, SETTINGS, port=port, mqtt_port=mqtt_port, devices=())
    process = subprocess.Popen([server_binary(SETTINGS), "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        await until_ready(address)
        async with connect(address) as bus:
            await ensure_streams(bus, SETTINGS.partitions, address.quota_bytes)
            yield bus
    finally:
        process.kill()
        process.wait()


async def told(bus: Bus) -> list[list[tuple[AssetRule, ...]]]:
    """The rules that each partition was told, one after the other."""
    found = []
    for partition in range(SETTINGS.partitions):
        stored = await bus.read(READINGS, readings_subject(partition), 1)
        items = [item for message in stored for item in decode_envelope(message.data, message.seq).items]
        found.append([unpack_rules(item.rules) for item in items if isinstance(item, PlantConfigured)])
    return found
