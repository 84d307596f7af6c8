"""The whole system as a person starts it, with the demo plant and a plant of one's own, in a process of its own."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.security.principal import owner
from iot_edge_anomaly.security.tokens import token_store

Found = TypeVar("Found")
PUMP_1 = "demo/station-1/pumping/line-1/pump-1"
CALM_BAR, HIGH_BAR = 4.0, 9.0
ROOM_SECONDS = 4
START_SECONDS = 60
STOP_SECONDS = 60


class WholeDemo:
    """`up --demo`, and a press plant `acme` whose readings the tests send themselves: limit 7 bar, a row a second."""

    def __init__(self, folder: Path) -> None:
        self.data_dir, self._output = folder / "plant", folder / "output.txt"
        self._next_row: dict[str, datetime] = {}
        self._gateway, self.mqtt_port = free_port(), free_port()
        config = folder / "plant.toml"
        config.write_text(
            f"[bus]\nport = {free_port()}\nmqtt_port = {self.mqtt_port}\n[gateway]\nport = {self._gateway}\n"
            f"[console]\nport = {free_port()}\n[history]\nflush_seconds = 1\n"
            '[[asset]]\nmatch = "acme/*"\nlateness_seconds = 0\noff_delay_rows = 1\nsilence_seconds = 0\n'
            '[asset.sensors.pressure]\nunit = "bar"\nhigh_limit = 7.0\n'
        )
        argv = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--demo"]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [*argv, "--config", str(config), "--data-dir", str(self.data_dir)], stdout=output, stderr=output
            )
        try:
            self.first_link = self._announced(r"sign in +(http\S+)")
            self.url = self.first_link.partition("/sign-in")[0]
        except BaseException:
            self.stop()
            raise

    def _announced(self, pattern: str) -> str:
        found = until(lambda: re.search(pattern, self._said()), START_SECONDS, self._said)
        return str(found[1])

    def _said(self) -> str:
        assert self._process.poll() is None, self._output.read_text()
        return self._output.read_text()

    def link(self) -> str:
        """Return a link to sign in with, good for once."""
        return f"{self.url}/sign-in?token={token_store(self.data_dir).create_sign_in(owner())}"

    @property
    def token(self) -> str:
        return (self.data_dir / "security" / "owner.token").read_text().strip()

    def api(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask the HTTP API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self._gateway}{path}"
        return httpx.request(method, url, json=body, headers=headers, timeout=20).raise_for_status()

    def send(self, asset: str, pressures: Sequence[float]) -> None:
        """Send rows of an asset, each a second after the one before; the first ones end a few seconds ago."""
        calm = datetime.now(UTC) - timedelta(seconds=len(pressures) + ROOM_SECONDS)
        first = self._next_row.get(asset, calm)
        times = [first + timedelta(seconds=number) for number in range(len(pressures))]
        self._next_row[asset] = times[-1] + timedelta(seconds=1)
        rows = [
            {"time": at.isoformat(), "pressure": bar, "flow": 12.0} for at, bar in zip(times, pressures, strict=True)
        ]
        self.api("POST", "/v1/readings", {"asset": asset, "source": "plc", "rows": rows})

    def command(self, *words: str) -> None:
        """Type a command."""
        argv = [sys.executable, "-m", "iot_edge_anomaly.cli.main", *words, "--data-dir", str(self.data_dir)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def logged(self, role: str) -> str:
        return (self.data_dir / "logs" / f"{role}.log").read_text()

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self._process.kill()
            self._process.wait(STOP_SECONDS)


def until(holds: Callable[[], Found], seconds: float = 20, why: Callable[[], str] = str) -> Found:
    """Return what holds as soon as it does."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"waited in vain: {why()}"
        time.sleep(0.05)  # polls a condition with a deadline
    return found
