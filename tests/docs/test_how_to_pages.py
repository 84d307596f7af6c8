"""The how-to pages work as written; ports are free ones."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from benchmarks.walkthrough import walk

from free_ports import free_port  # type: ignore[import-not-found]

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]


def walked(name: str, folder: Path, **known: str) -> None:
    """Walk through a page, without the console, for none of them opens it."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "IOT_EDGE_ANOMALY_CONSOLE__ENABLED": "false"}
    walk(PAGES / name, folder, environment, known)


def test_a_backup_starts_elsewhere(tmp_path: Path) -> None:
    walked("backup.md", tmp_path)


def test_a_backtest_of_readings_in_a_file(tmp_path: Path) -> None:
    walked("backtest.md", tmp_path)


def test_states_of_a_machine_are_told(tmp_path: Path) -> None:
    walked("operating-states.md", tmp_path)


def test_a_machine_follows_the_clock(tmp_path: Path) -> None:
    walked("seasons-and-shifts.md", tmp_path)


def test_several_sensors_are_read_as_one(tmp_path: Path) -> None:
    walked("redundant-sensors.md", tmp_path)


def test_a_server_of_opc_ua(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here; run: apt-get install openssl")
    walked("opcua.md", tmp_path, **{"4841": str(free_port())})


def test_a_nats_server_elsewhere(tmp_path: Path) -> None:
    walked("remote-nats.md", tmp_path, **{"4333": str(free_port())})


def test_a_modbus_device(tmp_path: Path) -> None:
    walked("modbus.md", tmp_path, **{"5020": str(free_port())})


@pytest.mark.system
@pytest.mark.parametrize("page", ["mosquitto.md", "home-assistant.md", "sparkplug.md"])
def test_a_mosquitto_of_ones_own(page: str, tmp_path: Path) -> None:
    for program in ("mosquitto", "mosquitto_pub"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            pytest.skip("no mosquitto here; run: apt-get install mosquitto mosquitto-clients")
    port = str(free_port())
    as_root = "user root\n" if os.geteuid() == 0 else ""
    walked(page, tmp_path, **{"listener 1884": f"{as_root}listener {port}", "1884": port})
