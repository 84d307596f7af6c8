"""How the gateway is started: Granian with one worker, as a child process of its own."""

import os
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from iot_edge_anomaly.gateway.app import DATA_DIR_VARIABLE, SETTINGS_VARIABLE
from iot_edge_anomaly.gateway.settings import GatewaySettings

DRAIN_SECONDS = 10


class Command(NamedTuple):
    """What to execute, and in which environment."""

    argv: tuple[str, ...]
    env: dict[str, str]


def command(data_dir: Path, settings: GatewaySettings) -> Command:
    """Return how to run the gateway of a data folder at `settings.host` and `settings.port` (not 0)."""
    argv = (
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--workers", "1", "--http", "1", "--no-ws", "--no-access-log", "--log-level", "warning"),
        *("--loop", "uvloop"),
        *("--workers-kill-timeout", str(DRAIN_SECONDS)),
        "iot_edge_anomaly.gateway.app:create",
    )
    handed_over = {
        DATA_DIR_VARIABLE: str(data_dir.resolve()),
        SETTINGS_VARIABLE: msgspec.json.encode(settings).decode(),
    }
    return Command(argv, {**os.environ, **handed_over})


def become_gateway(data_dir: Path, settings: GatewaySettings) -> NoReturn:
    """Turn this process into the gateway; whoever started it keeps its process id."""
    argv, env = command(data_dir, settings)
    os.execve(argv[0], argv, env)  # noqa: S606 - our own interpreter
