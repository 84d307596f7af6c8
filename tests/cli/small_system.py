"""A small system as a person starts it: `up` without the page, in a process of its own."""

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import structlog

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.cli.main import main

PUMP = "acme/site-1/pump-1"
SECONDS = 60
RULES = '[[asset]]\nmatch = "acme/*"\n[asset.sensors.pressure]\nunit = "bar"\nhigh_limit = 7.0\n'

Done = subprocess.CompletedProcess[str]


def typed(*arguments: object) -> Done:
    """Run a command as it is typed, in this process."""
    words = [str(argument) for argument in arguments]
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["iot-edge-anomaly", *words])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            structlog.reset_defaults()
    said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return Done(words, code, said, complained)


def typed_apart(*arguments: object) -> Done:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


class SmallSystem:
    """Where it is, and how to ask it."""

    def __init__(self, folder: Path, more: str) -> None:
        self.folder, self.data_dir, self.config = folder, folder / "plant", folder / "plant.toml"
        self.port, self.mqtt_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        bus = "" if "[bus]" in more else f"[bus]\npartitions = 2\nport = {free_port()}\nmqtt_port = {self.mqtt_port}\n"
        self.config.write_text(f"{bus}[gateway]\nport = {self.port}\n[console]\nenabled = false\n{more}")
        self.output = folder / "output.txt"

    def ask(self, *arguments: object) -> Done:
        return typed(*arguments, "--data-dir", self.data_dir)

    def told(self, *arguments: object) -> Any:
        done = self.ask(*arguments, "--json")
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    def client(self) -> httpx.Client:
        token = (self.data_dir / "security" / "owner.token").read_text().strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def eventually(holds: Any, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)  # polls a condition with a deadline


@contextmanager
def small_system(folder: Path, more: str = RULES) -> Iterator[SmallSystem]:
    """Run a system for the time of the block; then stop it as Ctrl-C does and see that nothing is left."""
    system = SmallSystem(folder, more)
    command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--config", str(system.config)]
    with system.output.open("w") as file:
        process = subprocess.Popen([*command, "--data-dir", str(system.data_dir)], stdout=file, stderr=file)
    try:
        eventually(lambda: "API " in system.output.read_text() or process.poll() is not None)
        assert process.poll() is None, system.output.read_text()
        children = psutil.Process(process.pid).children(recursive=True)
        yield system
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0, system.output.read_text()
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        process.kill()
        process.wait(SECONDS)
