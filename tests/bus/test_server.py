"""The embedded server: what it is told, whom it lets do what, and that it goes when its parent does."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import psutil  # type: ignore[import-untyped]
import pytest
from bus_server import BusServer, eventually
from nats.aio.client import Client
from nats.aio.msg import Msg

from iot_edge_anomaly.bus import server
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.settings import BusSettings, Durability
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.devices import Device, create_device, remove_device

pytestmark = [pytest.mark.anyio, pytest.mark.server]


def fake_server(folder: Path, says: str) -> str:
    path = folder / "nats-server"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return str(path)


def test_the_server_of_the_wheel_is_new_enough_and_has_a_digest() -> None:
    binary = server.server_binary(BusSettings())
    assert server.server_version(binary) >= server.OLDEST_VERSION
    digest = subprocess.run(["sha256sum", binary], capture_output=True, text=True, check=True).stdout.split()[0]
    assert server.server_digest(binary) == f"sha256:{digest}"


@pytest.mark.parametrize(
    ("says", "complaint"), [("nats-server: v2.11.9", "2.12 or newer"), ("hello", "does not say its version")]
)
def test_a_server_that_will_not_do_is_refused_with_the_reason(tmp_path: Path, says: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        server.server_binary(BusSettings(server_binary=fake_server(tmp_path, says)))


def test_a_named_server_is_taken_when_it_is_new_enough(tmp_path: Path) -> None:
    named = fake_server(tmp_path, "nats-server: v2.12.0")
    assert server.server_binary(BusSettings(server_binary=named)) == Path(named)


def test_a_named_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no NATS server at .*missing"):
        server.server_binary(BusSettings(server_binary=str(tmp_path / "missing")))


def test_passwords_are_readable_by_their_owner_only_and_stay_the_same(bus_server: BusServer) -> None:
    password = server.role_password(bus_server.data_dir)
    for path in (bus_server.configure(), bus_server.data_dir / "security" / "bus.password"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert password in path.read_text()
    assert server.role_password(bus_server.data_dir) == password


@pytest.mark.parametrize(("durability", "sync"), [(Durability.POWER_SAFE, "always"), (Durability.PROCESS_SAFE, "2m")])
def test_durability_decides_when_the_server_syncs(tmp_path: Path, durability: Durability, sync: str) -> None:
    text = BusServer(tmp_path, BusSettings(durability=durability)).configure().read_text()
    assert f"sync_interval: {sync}" in text.replace('"', "")


async def test_a_data_folder_with_odd_characters_works(tmp_path: Path) -> None:
    folder = tmp_path / 'a "quoted" # $HOME {folder}'
    folder.mkdir()
    odd = BusServer(folder, BusSettings(quota_mb=64))
    try:
        await odd.start()
        assert (folder / "stream").is_dir()
    finally:
        odd.stop()


async def test_the_server_listens_on_loopback_only(bus_server: BusServer) -> None:
    await bus_server.start()
    assert bus_server.process is not None
    listening = {
        c.laddr for c in psutil.Process(bus_server.process.pid).net_connections("inet") if c.status == "LISTEN"
    }
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {bus_server.port, bus_server.mqtt_port}


async def test_the_server_ends_with_a_parent_that_was_killed(bus_server: BusServer) -> None:
    program = """
import pathlib, sys, time
from bus_server import BusServer
from iot_edge_anomaly.bus.settings import BusSettings
server = BusServer(pathlib.Path(sys.argv[1]), BusSettings(quota_mb=64))
server.launch()
print(server.process.pid, flush=True)
time.sleep(60)
"""
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (here, here.parent)))}
    parent = subprocess.Popen(
        [sys.executable, "-c", program, bus_server.data_dir], stdout=subprocess.PIPE, text=True, env=env
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert os.getsid(child.pid) == child.pid
    parent.kill()
    parent.wait(10)

    async def gone() -> bool:
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    await eventually(gone)


class DeviceConnection:
    """A device that speaks NATS itself, and what the server refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def open(self, url: str, user: str, password: str) -> None:
        async def note(error: Exception) -> None:
            self.refused.append(str(error).lower())

        await self.client.connect(
            url, user=user, password=password, error_cb=note, allow_reconnect=False, connect_timeout=2
        )

    async def was_refused(self, what: str) -> bool:
        await self.client.flush()
        return any("permissions violation" in text and what in text for text in self.refused)


@pytest.fixture
async def device(bus_server: BusServer, nats_bus: Bus) -> AsyncIterator[DeviceConnection]:
    created = create_device(bus_server.data_dir, "press-4", "acme")
    await reload(bus_server)
    connection = DeviceConnection()
    await connection.open(bus_server.address.url, created.user, created.password)
    yield connection
    await connection.client.close()


async def reload(running: BusServer) -> None:
    """Have the server read its configuration again, and wait until it is done.

    While it is at it, it lets new devices in already and may yet close a connection or miss a message.
    """
    done = "Reloaded server configuration"
    before = running.log().count(done)
    running.configure()
    assert running.process is not None
    running.process.send_signal(signal.SIGHUP)

    async def is_done() -> bool:
        return running.log().count(done) > before

    await eventually(is_done)


async def can_sign_in(running: BusServer, device: Device) -> bool:
    connection = DeviceConnection()
    try:
        await connection.open(running.address.url, device.user, device.password)
    except (nats.errors.Error, OSError):
        return False
    finally:
        await connection.client.close()
    return True


async def test_a_device_reaches_the_ingress_of_its_tenant(nats_bus: Bus, device: DeviceConnection) -> None:
    received: asyncio.Queue[Msg] = asyncio.Queue()
    await nats_bus._client.subscribe("ingress.>", cb=received.put)
    await nats_bus._client.flush()
    await device.client.publish("ingress.acme.site.pump", b"1")
    assert (await asyncio.wait_for(received.get(), 10)).subject == "ingress.acme.site.pump"


@pytest.mark.parametrize(
    "subject",
    ["ingress.other.site.pump", "readings.0", "outcomes.0", "$JS.API.STREAM.PURGE.READINGS", "$KV.configuration.rules"],
)
async def test_a_device_publishes_nowhere_else(nats_bus: Bus, device: DeviceConnection, subject: str) -> None:
    kept = await nats_bus.publish("readings.0", b"kept")
    await device.client.publish(subject, b"1")
    await eventually(lambda: device.was_refused(subject.lower()))
    assert [(m.seq, m.data) for m in await nats_bus.read("READINGS", "readings.0", 0)] == [(kept, b"kept")]
    assert await nats_bus.last("OUTCOMES", "outcomes.0") is None


@pytest.mark.parametrize("subject", [">", "ingress.acme.>", "$SYS.>", "_INBOX.>"])
async def test_a_device_listens_to_nothing(device: DeviceConnection, subject: str) -> None:
    await device.client.subscribe(subject)
    await eventually(lambda: device.was_refused("subscription"))


async def test_a_device_that_was_removed_is_put_out_and_not_let_in_again(
    bus_server: BusServer, device: DeviceConnection
) -> None:
    gone = create_device(bus_server.data_dir, "gone", "acme")
    await reload(bus_server)
    assert await can_sign_in(bus_server, gone)
    remove_device(bus_server.data_dir, "press-4")
    remove_device(bus_server.data_dir, "gone")
    await reload(bus_server)

    async def put_out() -> bool:
        return not device.client.is_connected and not await can_sign_in(bus_server, gone)

    await eventually(put_out)


async def test_roles_stay_connected_while_devices_come_and_go(bus_server: BusServer, nats_bus: Bus) -> None:
    new = create_device(bus_server.data_dir, "new", "acme")
    await reload(bus_server)
    assert await can_sign_in(bus_server, new)
    assert await nats_bus.publish("readings.0", b"x") > 0
    assert nats_bus.reconnects == 0
