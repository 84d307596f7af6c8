"""The session of the built-in connector: no device can end it, and a data folder from before keeps its own."""

import asyncio
import re
import socket
import stat
from pathlib import Path

import msgspec
import pytest
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]
from mqtt_brokers import Device, EmbeddedBroker  # type: ignore[import-not-found]
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.app.taking_in import connectors
from iot_edge_anomaly.component.connector import Connector
from iot_edge_anomaly.connectors.mqtt import MqttConnector
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.security.devices import create_device

pytestmark = pytest.mark.server

GUESSED = f"iot-edge-anomaly-{socket.gethostname()}"


def numbered(sequence: int) -> bytes:
    return msgspec.json.encode({"source": "plc", "epoch": 1, "sequence": sequence, "rows": [{"flow": 1.0}]})


def built_in(broker: EmbeddedBroker) -> Connector:
    return connectors(Settings(), broker.folder, broker.address)["embedded-mqtt"]


def take_over(broker: EmbeddedBroker, client_id: str, user: str, password: str) -> None:
    """Sign in as a device under this id, asking for a session without what was before."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv311, clean_session=True)
    client.username_pw_set(user, password)
    client.connect("127.0.0.1", broker.port)
    while not client.is_connected():
        client.loop()
    client.disconnect()


def test_a_device_that_signs_in_as_the_connector_takes_nothing_from_other_tenants(tmp_path: Path) -> None:
    async def scenario(broker: EmbeddedBroker) -> set[int]:
        intruder = create_device(tmp_path, "intruder", "evilcorp")
        await asyncio.to_thread(broker.start)
        intake = RecordingIntake()
        async with in_background(built_in(broker).run(intake, SystemClock())):
            await until(lambda: intake.calls > 0)  # subscribed
        await asyncio.to_thread(take_over, broker, GUESSED, intruder.user, intruder.password)
        with Device(broker) as device:
            await asyncio.to_thread(device.publish, "ingress/acme/pump", numbered(1))
        async with in_background(built_in(broker).run(intake, SystemClock())):
            await until(lambda: bool(intake.sequences()))
        return intake.sequences()

    with EmbeddedBroker(tmp_path) as broker:
        assert asyncio.run(scenario(broker)) == {1}


def test_the_session_is_a_secret_and_stays_the_same(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        broker.start()
        path = tmp_path / "security" / "listener.session"
        made = path.read_text()
        broker.kill()
        broker.start()
        built_in(broker)
    assert path.read_text() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(r"[\w-]{32}", made)
    assert socket.gethostname() not in made


def test_what_waits_in_the_session_of_an_older_data_folder_is_taken_in(tmp_path: Path) -> None:
    async def scenario(broker: EmbeddedBroker) -> set[int]:
        older = msgspec.structs.replace(broker.settings, client_id=GUESSED)
        await asyncio.to_thread(broker.start)
        intake = RecordingIntake()
        async with in_background(MqttConnector(older).run(intake, SystemClock())):
            await until(lambda: intake.calls > 0)  # subscribed
        with Device(broker) as device:
            await asyncio.to_thread(device.publish, "ingress/acme/pump", numbered(1))
        broker.kill()
        (tmp_path / "security" / "listener.session").unlink()
        await asyncio.to_thread(broker.start)
        async with in_background(built_in(broker).run(intake, SystemClock())):
            await until(lambda: bool(intake.sequences()))
        return intake.sequences()

    with EmbeddedBroker(tmp_path) as broker:
        assert asyncio.run(scenario(broker)) == {1}
