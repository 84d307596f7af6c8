"""A whole system as `up` runs it, console and all, for pages that need what runs behind them."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.security.principal import Principal
from iot_edge_anomaly.security.tokens import TokenStore, token_store

START_SECONDS = 120


class WholeSystem:
    """`data_dir` holds what it keeps; ports stay the same from start to start."""

    def __init__(self, folder: Path, *, more: str = "") -> None:
        self.folder, self.data_dir = folder, folder / "data"
        self.mqtt_port, self.gateway_port, self.port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config, self._output = folder / "plant.toml", folder / "output.txt"
        self.config.write_text(
            f"[bus]\nport = {free_port()}\nmqtt_port = {self.mqtt_port}\npartitions = 2\nquota_mb = 256\n"
            f"[gateway]\nport = {self.gateway_port}\n[console]\nport = {self.port}\n{more}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def tokens(self) -> TokenStore:
        return token_store(self.data_dir)

    def start(self) -> None:
        argv = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--config", str(self.config)]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*argv, "--data-dir", str(self.data_dir)], stdout=output, stderr=subprocess.STDOUT
            )
        self.until(lambda: re.search(r"sign in ", self.said()) is not None, START_SECONDS)

    def said(self) -> str:
        return self._output.read_text()

    def log(self, role: str) -> str:
        return (self.data_dir / "logs" / f"{role}.log").read_text()

    def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert self._process is None or self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, f"waited in vain\n{self.said()}"
            time.sleep(0.05)

    def link(self, who: Principal) -> str:
        return f"{self.url}/sign-in?token={self.tokens.create_sign_in(who)}"

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)
