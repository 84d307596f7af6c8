"""What every connector of the catalog promises, whatever it speaks."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from intakes import RecordingIntake, in_background, until  # type: ignore[import-not-found]

from iot_edge_anomaly.app.settings import check
from iot_edge_anomaly.connectors.catalog import CATALOG
from iot_edge_anomaly.connectors.csv_file import CsvSettings
from iot_edge_anomaly.connectors.host import HostSettings
from iot_edge_anomaly.connectors.modbus_settings import ModbusDevice, ModbusPoint, ModbusSettings
from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.connectors.opcua import OpcUaBrowse, OpcUaSettings
from iot_edge_anomaly.connectors.sparkplug import SparkplugSettings
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.toml import as_toml

CLOCK = SystemClock()
KINDS = sorted(CATALOG)
FROM_HERE = {"csv", "host"}


def csv_settings(folder: Path) -> CsvSettings:
    path = folder / "pump.csv"
    path.write_text("time,flow\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,2\n")
    return CsvSettings(path=str(path), asset="acme/pump")


SETTINGS: dict[str, Callable[[Path], msgspec.Struct]] = {
    "csv": csv_settings,
    "host": lambda _: HostSettings(seconds=0.1),
    "modbus": lambda _: ModbusSettings(
        host="192.0.2.1",
        devices=(ModbusDevice(asset="acme/pump", points=(ModbusPoint(sensor="flow", address=0),)),),
    ),
    "mqtt": lambda _: MqttSettings(host="192.0.2.1", topics=("plant/#",), tenant="acme"),
    "sparkplug": lambda _: SparkplugSettings(host="192.0.2.1", tenant="acme"),
    "opcua": lambda _: OpcUaSettings(
        url="opc.tcp://192.0.2.1:4840", security="None", browse=(OpcUaBrowse(asset="acme/site"),)
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_settings_are_frozen_tagged_and_come_back_from_what_they_are_written_as(kind: str, tmp_path: Path) -> None:
    settings = SETTINGS[kind](tmp_path)
    assert type(settings) is CATALOG[kind].settings
    written = msgspec.to_builtins(settings)
    assert written["type"] == kind
    assert msgspec.convert(written, CATALOG[kind].settings) == settings
    with pytest.raises(AttributeError):
        settings.type = "other"  # type: ignore[attr-defined]


def test_an_unknown_key_is_a_mistake_that_names_its_line(kind: str, tmp_path: Path) -> None:
    known = msgspec.to_builtins(SETTINGS[kind](tmp_path))
    lines = [f"{key} = {as_toml(value)}" for key, value in known.items() if value is not None]
    text = "\n".join(["[[connector]]", *lines])
    assert check(text, "plant.toml")[1] == []
    (problem,) = check(f"{text}\nsurprise = 1", "plant.toml")[1]
    assert problem.line == len(lines) + 2
    assert "surprise" in str(problem)


def test_making_one_touches_no_network(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS[kind](tmp_path)

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a connector was made, and touched the network")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    CATALOG[kind].create(settings)


@pytest.mark.parametrize("kind", sorted(FROM_HERE))
def test_it_takes_readings_in_and_stops_when_it_is_cancelled(kind: str, tmp_path: Path) -> None:
    async def scenario() -> RecordingIntake:
        intake = RecordingIntake()
        async with in_background(CATALOG[kind].create(SETTINGS[kind](tmp_path)).run(intake, CLOCK)):
            await until(lambda: bool(intake.batches))
        return intake

    batch = asyncio.run(scenario()).batches[0]
    assert len(batch.values()) >= 2
    assert batch.sequence == 0


@pytest.mark.parametrize("kind", sorted(FROM_HERE))
def test_when_the_intake_refuses_it_gives_up_the_attempt(kind: str, tmp_path: Path) -> None:
    intake = RecordingIntake(refuses=True)
    with pytest.raises(UnavailableError):
        asyncio.run(CATALOG[kind].create(SETTINGS[kind](tmp_path)).run(intake, CLOCK))
    assert intake.calls == 1
