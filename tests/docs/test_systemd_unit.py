"""The unit file is one that systemd takes, and starts the program as it is."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from iot_edge_anomaly.cli.main import WRONG_USAGE, app

UNIT = Path(__file__).parents[2] / "docs" / "how-to" / "iot-edge-anomaly.service"
PROGRAM = "/opt/iot-edge-anomaly/.venv/bin/iot-edge-anomaly"


def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    return unit["Service"]


def test_systemd_takes_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here; run: apt-get install systemd")
    installed = tmp_path / UNIT.name
    installed.write_text(UNIT.read_text().replace(PROGRAM, str(Path(sys.executable).resolve())))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    installed.write_text(UNIT.read_text().replace("KillMode", "KilMode").replace("/opt/", "/nowhere/"))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True, timeout=60, check=False
    )
    assert "KilMode" in found.stderr, "a unit that is wrong is not taken"


def test_the_command_is_one_of_the_program(tmp_path: Path) -> None:
    program, verb, *words = shlex.split(service()["ExecStart"])
    root = typer.main.get_command(app)
    assert program == PROGRAM
    assert isinstance(root, TyperGroup)
    context = root.commands[verb].make_context(verb, words)
    assert str(context.params["data_dir"]) == f"/var/lib/{service()['StateDirectory']}"


def test_a_wrong_configuration_is_not_started_again() -> None:
    assert service()["RestartPreventExitStatus"] == str(WRONG_USAGE)
