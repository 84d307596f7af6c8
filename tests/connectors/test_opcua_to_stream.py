"""From a server of OPC UA to the stream: every change is durable in READINGS once, though network and bus break."""

import asyncio
from pathlib import Path

import pytest
from intakes import health_of, in_background, until  # type: ignore[import-not-found]
from mqtt_brokers import EmbeddedBroker  # type: ignore[import-not-found]
from stream_contents import stored  # type: ignore[import-not-found]
from tcp_proxy import proxy_before  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.streams import ensure_streams
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.opcua import OpcUaPoint, OpcUaSettings
from iot_edge_anomaly.connectors.runner import run_all
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError

pytest.importorskip("asyncua", reason="no asyncua here; run: make setup")
from opcua_servers import OpcUaServer  # type: ignore[import-not-found]

PARTITIONS, CHANGES = 2, 600


async def all_stored(bus: Bus) -> list[float]:
    async with asyncio.timeout(60):
        while True:
            try:
                found = await stored(bus, PARTITIONS)
            except UnavailableError:
                found = {}
            values = [value for number in sorted(found) for value in found[number]]
            if values[-1:] == [float(CHANGES)]:
                assert sorted(found) == list(range(len(found))), "numbers have a gap"
                return values
            await asyncio.sleep(0.1)


@pytest.mark.server
def test_every_change_is_in_the_stream_once_though_network_and_bus_break(tmp_path: Path) -> None:
    async def scenario(broker: EmbeddedBroker, server: OpcUaServer) -> list[float]:
        async with connect(broker.address) as bus, proxy_before(server.port) as proxy:
            await ensure_streams(bus, PARTITIONS, broker.address.quota_bytes)
            said = OpcUaSettings(
                url=f"opc.tcp://127.0.0.1:{proxy.port}",
                security="None",
                points=(OpcUaPoint(node="ns=2;s=Flow", asset="acme/pump", sensor="flow"),),
                publish_seconds=0.05,
                sample_seconds=0.0,
                queue=10_000,
            )
            health = health_of("plc")
            async with open_intake(bus, PARTITIONS) as intake:
                connector = CATALOG["opcua"].create(said)
                async with in_background(run_all({"plc": connector}, intake, SystemClock(), health)):
                    await until(lambda: health["plc"].readings > 0)
                    third = CHANGES // 3
                    for turn in range(3):
                        await asyncio.to_thread(server.count, "Flow", 1 + turn * third, 1 + (turn + 1) * third)
                        broker.kill()
                        proxy.cut()
                        await asyncio.to_thread(broker.start)
                        proxy.heal()
                    return await all_stored(bus)

    with EmbeddedBroker(tmp_path) as broker, OpcUaServer(tmp_path) as server:
        broker.start()
        server.start()
        values = asyncio.run(scenario(broker, server))
    assert values == [float(value) for value in range(CHANGES + 1)]
