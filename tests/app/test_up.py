"""`up --demo` as a person runs it: an explained alarm, a clean stop, a second run that goes on, a copy elsewhere."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from free_ports import free_port  # type: ignore[import-not-found]

FIRST_ALARM_SECONDS = 150
START_SECONDS = 60


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "iot_edge_anomaly.cli.main", *arguments]


def ask(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments, "--data-dir", str(data_dir)), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def up(data_dir: Path, folder: Path, *arguments: str, until: str) -> Iterator[None]:
    """Run a system until its output says `until`; afterwards stop it as Ctrl-C does and see that nothing is left."""
    config, output = folder / "plant.toml", folder / "output.txt"
    config.write_text(
        f"[bus]\nport = {free_port()}\nmqtt_port = {free_port()}\n[gateway]\nport = {free_port()}\n"
        "[console]\nenabled = false\n"
    )
    with output.open("w") as file:
        process = subprocess.Popen(
            command("up", "--config", str(config), "--data-dir", str(data_dir), *arguments), stdout=file, stderr=file
        )
        try:
            deadline = time.monotonic() + FIRST_ALARM_SECONDS
            while until not in output.read_text():
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < deadline, output.read_text()
                time.sleep(0.2)  # polls a condition with a deadline
            children = psutil.Process(process.pid).children(recursive=True)
            yield
            process.send_signal(signal.SIGINT)
            assert process.wait(START_SECONDS) == 0, output.read_text()
            _, alive = psutil.wait_procs(children, timeout=10)
            assert alive == []
        finally:
            process.kill()


def committed(data_dir: Path) -> list[int]:
    status = json.loads(ask(data_dir, "status", "--json").stdout)
    return [partition["committed"] for partition in status["partitions"]]


@pytest.mark.server
@pytest.mark.timeout(400)
def test_the_demo_alarms_stops_goes_on_and_moves_elsewhere(tmp_path: Path) -> None:
    data_dir, copy = tmp_path / "plant", tmp_path / "elsewhere"
    with up(data_dir, tmp_path, "--demo", until="ALARM"):
        alarms = json.loads(ask(data_dir, "alarms", "--json").stdout)
        assert alarms
        assert "pump-1" in alarms[-1]["asset"]
        assert "predict" in ask(data_dir, "alarms", "--json").stdout
        assert ask(data_dir, "reconcile").returncode == 0
        before = committed(data_dir)
    shutil.copytree(data_dir, copy)
    with up(data_dir, tmp_path, "--demo", until="first fault"):
        phases = {row["asset"]: row["phase"] for row in json.loads(ask(data_dir, "asset", "list", "--json").stdout)}
        assert phases["demo/station-1/pumping/line-1/pump-1"] == "calibrated"
        assert all(now >= then for now, then in zip(committed(data_dir), before, strict=True))
        assert "silence" not in ask(data_dir, "alarms", "--json").stdout
    with up(copy, tmp_path, until="API"):
        alarm_ids = [row["alarm"][0] for row in json.loads(ask(copy, "alarms", "--json").stdout)]
        replays = [ask(copy, "replay-alarm", alarm_id) for alarm_id in alarm_ids]
        assert alarm_ids
        assert [done.stdout.split("\n")[0].rpartition(" ")[2] for done in replays] == ["exact"] * len(alarm_ids)
        assert ask(copy, "replay-alarm", "Anone").returncode == 1


def test_config_check_points_at_file_line_and_key(tmp_path: Path) -> None:
    config = tmp_path / "plant.toml"
    config.write_text(
        '[gateway]\nport = 9000\n\n[[asset]]\nmatch = "acme/*"\nhihg_limit = 3\n\n[[connector]]\ntype = "fax"\n'
    )
    done = subprocess.run(
        command("config", "check", str(config)), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert f"{config}:6: asset.hihg_limit: unknown key" in done.stderr
    assert f"{config}:9: connector.type: must be one of" in done.stderr


def test_a_system_that_does_not_run_says_how_to_start_it(tmp_path: Path) -> None:
    done = ask(tmp_path / "nothing", "status")
    assert done.returncode == 2
    assert "iot-edge-anomaly up --data-dir" in done.stderr
