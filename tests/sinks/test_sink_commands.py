"""What a person types about sinks, and a system that is started with some."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_target import HttpServer  # type: ignore[import-not-found]
from waiting import wait  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.cli.main import main
from iot_edge_anomaly.sinks.health import read_health

RULE = '[[asset]]\nmatch = "acme/*"\n[asset.sensors.pressure]\nunit = "bar"\nhigh_limit = 7.0\n'


Done = subprocess.CompletedProcess[str]


def typed(*words: object, **environment: str) -> Done:
    """Run a command as it is typed, in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["iot-edge-anomaly", *map(str, words)])
        for name, value in {"COLUMNS": "220", **environment}.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return Done(words, code, said, complained)


def told(*words: object) -> Any:
    done = typed(*words, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    running = HttpServer()
    running.start()
    yield running
    running.stop()


def configured(folder: Path, server: HttpServer) -> Path:
    path = folder / "plant.toml"
    path.write_text(
        f"[bus]\npartitions = 2\nport = {free_port()}\nmqtt_port = {free_port()}\n[gateway]\nport = {free_port()}\n"
        f"[console]\nenabled = false\n{RULE}"
        f'[[sink]]\ntype = "file"\nname = "log"\npath = "{folder}/alarms.jsonl"\n'
        f'[[sink]]\ntype = "webhook"\nname = "cmms"\nurl = "http://127.0.0.1:{server.port}/a"\n'
        'secrets = [{ env = "HOOK_SECRET" }]\n'
    )
    return path


def test_a_sink_is_tried_with_one_message_that_says_so(tmp_path: Path, server: HttpServer) -> None:
    config = configured(tmp_path, server)
    done = typed("sink", "test", "cmms", "--config", config, HOOK_SECRET="hook-4711")
    assert done.returncode == 0, done.stderr
    assert "cmms: the target has taken it: TEST, no alarm" in done.stdout
    (call,) = server.taken
    assert call.is_signed_with("hook-4711")
    assert call.event["data"]["test"] is True
    assert call.event["id"] in done.stdout


def test_a_trial_that_fails_says_what_the_target_said(tmp_path: Path, server: HttpServer) -> None:
    config = configured(tmp_path, server)
    server.answer = lambda call: (422, {})
    done = typed("sink", "test", "cmms", "--config", config, HOOK_SECRET="hook-4711")
    assert (done.returncode, "answers 422 Unprocessable" in done.stderr) == (1, True), done.stderr
    assert len(server.calls) == 1, "once"
    done = typed("sink", "test", "cmms", "--config", config)
    assert (done.returncode, "HOOK_SECRET is empty or not set" in done.stderr) == (2, True), done.stderr
    done = typed("sink", "test", "cmm", "--config", config)
    assert (done.returncode, done.stderr) == (2, "error: there is no sink 'cmm'; there are cmms, log\n")
    done = typed("sink", "test", "log")
    assert (done.returncode, "did you give --config?" in done.stderr) == (2, True)


@contextmanager
def up(config: Path, data_dir: Path) -> Iterator[None]:
    """Run a system for the time of the block; then stop it as Ctrl-C does."""
    output = data_dir.with_suffix(".txt")
    words = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--config", str(config), "--data-dir"]
    environment = {**os.environ, "HOOK_SECRET": "hook-4711", "OMP_NUM_THREADS": "1"}
    with output.open("w") as file:
        process = subprocess.Popen([*words, str(data_dir)], stdout=file, stderr=file, env=environment)
    try:
        wait(lambda: "API " in output.read_text() or process.poll() is not None, 60)
        assert process.poll() is None, output.read_text()
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, output.read_text()
    finally:
        process.kill()
        process.wait(30)


def send(config: Path, data_dir: Path, asset: str, sequence: int) -> None:
    """Send readings over the limit."""
    port = config.read_text().split("[gateway]\nport = ")[1].split("\n")[0]
    token = (data_dir / "security" / "owner.token").read_text().strip()
    rows = [{"time": f"2026-01-01T00:00:{second:02d}Z", "pressure": 9.0} for second in range(40)]
    payload = {"asset": asset, "source": "plc", "sequence": sequence, "rows": rows}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/readings", json=payload, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 202, answer.text


@pytest.mark.server
@pytest.mark.timeout(200)
def test_a_system_hands_its_alarms_on_and_tells_how_that_goes(tmp_path: Path, server: HttpServer) -> None:
    config, data_dir = configured(tmp_path, server), tmp_path / "plant"
    log = tmp_path / "alarms.jsonl"
    with up(config, data_dir):
        send(config, data_dir, "acme/pump-1", 1)
        wait(lambda: log.exists() and len(server.taken) == 1, 60)
        line, call = json.loads(log.read_text()), server.taken[0]
        assert line["reason"] == "pressure 9 bar above its high limit of 7 bar"
        assert call.event["data"] == line
        server.answer = lambda call: (422, {})
        send(config, data_dir, "acme/pump-2", 2)
        wait(lambda: [one.set_aside for one in read_health(data_dir)] == [0, 1], 60)
        (refusal,) = told("sink", "refused", "cmms", "--data-dir", data_dir)
        assert refusal["message"]["asset"] == "acme/pump-2"
        done = typed("sink", "skip", "cmms", "--data-dir", data_dir)
        assert (done.returncode, "sink 'cmms' is up: it is stuck at nothing" in done.stderr) == (1, True), done.stderr
        server.answer = lambda call: (500, {})
        send(config, data_dir, "acme/pump-3", 3)
        wait(lambda: [one.stuck is not None for one in read_health(data_dir)] == [False, True], 60)
        done = typed("sink", "skip", "cmms", "--data-dir", data_dir)
        assert (done.returncode, "acme/pump-3  limit:pressure:H  raise" in done.stdout) == (0, True), done.stderr
        assert "skipped by a person" in done.stdout
        refusals = told("sink", "refused", "cmms", "--data-dir", data_dir)
        assert [one["message"]["asset"] for one in refusals] == ["acme/pump-2", "acme/pump-3"]
        assert "answers 500 Internal Server Error" in refusals[1]["why"]
        wait(lambda: [(one.waiting, one.state) for one in read_health(data_dir)] == [(0, "up"), (0, "connecting")], 60)
        for verb in ("skip", "refused"):
            done = typed("sink", verb, "cmm", "--data-dir", data_dir)
            assert (done.returncode, done.stderr) == (2, "error: there is no sink 'cmm'; there are cmms, log\n"), verb
        server.stop()
        send(config, data_dir, "acme/pump-4", 4)
        wait(lambda: [one.waiting for one in read_health(data_dir)] == [0, 1], 60)
        sinks = {one["name"]: one for one in told("status", "--data-dir", data_dir)["sinks"]}
        assert (sinks["cmms"]["state"], sinks["cmms"]["set_aside"], sinks["log"]["state"]) == ("down", 1, "up")
        assert "1, the oldest of " in typed("status", "--data-dir", data_dir).stdout
        shown = typed("sink", "refused", "cmms", "--data-dir", data_dir).stdout
        assert "acme/pump-2  limit:pressure:H  raise" in shown
        assert "answers 422" in shown
        doctor = typed("doctor", "--data-dir", data_dir)
        assert (doctor.returncode, "BAD  cmms" in doctor.stdout) == (1, True)
    assert [json.loads(each)["asset"] for each in log.read_text().splitlines()] == [
        f"acme/pump-{n}" for n in (1, 2, 3, 4)
    ]
    assert "hook-4711" not in (data_dir / "logs" / "sinks.log").read_text()
