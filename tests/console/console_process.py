"""The console as a process, and who signs in there."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.security.tokens import TokenStore, token_store

ANNA = Principal("anna", frozenset({"demo"}), frozenset(Permission))
GUEST = Principal("guest", frozenset({"demo"}), frozenset({Permission.READ}))


class ConsoleProcess:
    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tokens: TokenStore = token_store(data_dir)
        self.log = data_dir / "console.log"
        program = Path(__file__).with_name("console_program.py")
        with self.log.open("wb") as log:
            argv = [sys.executable, str(program), str(data_dir), str(self.port)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            self.until(self.is_alive, 40)
        except AssertionError:
            self.stop()
            raise

    def is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain\n{self.log.read_text()}"
            time.sleep(0.02)

    def link(self, who: Principal = ANNA) -> str:
        return f"{self.url}/sign-in?token={self.tokens.create_sign_in(who)}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
