"""How the gateway is started: Granian with one worker, as a child process."""

import os
import sys
from pathlib import Path

import anyio
import msgspec

from iot_edge_anomaly.gateway.app import DATA_DIR_VARIABLE, SETTINGS_VARIABLE
from iot_edge_anomaly.gateway.services import ROLE
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.resilience.supervise import ProcessSpec

DRAIN_SECONDS = 10


def gateway_process(data_dir: Path, settings: GatewaySettings) -> ProcessSpec:
    """Return how to run the gateway of a data folder at `settings.host` and `settings.port` (not 0)."""
    argv = (
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--workers", "1", "--http", "1", "--no-ws", "--no-access-log", "--log-level", "warning"),
        *("--workers-kill-timeout", str(DRAIN_SECONDS)),
        "iot_edge_anomaly.gateway.app:create",
    )
    environment = {
        **os.environ,
        DATA_DIR_VARIABLE: str(data_dir.resolve()),
        SETTINGS_VARIABLE: msgspec.json.encode(settings).decode(),
    }

    async def ready() -> None:
        await until_alive(settings.host, settings.port)

    return ProcessSpec(ROLE, argv, environment, settings.port, ready, stop_seconds=DRAIN_SECONDS + 2)


async def until_alive(host: str, port: int) -> None:
    """Return once the gateway answers."""
    while not await _answers(host, port):
        await anyio.sleep(0.05)


async def _answers(host: str, port: int) -> bool:
    try:
        with anyio.fail_after(1):
            async with await anyio.connect_tcp(host, port) as stream:
                await stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return (await stream.receive()).startswith(b"HTTP/1.1 200")
    except (OSError, TimeoutError, anyio.EndOfStream, anyio.BrokenResourceError):
        return False
