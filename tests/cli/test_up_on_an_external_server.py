"""`up` on a NATS server that somebody else runs: no child of its own, through its restart, and two on one server."""

import csv
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from small_system import SmallSystem, eventually, free_port, small_system, typed_apart  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.server import server_binary
from iot_edge_anomaly.bus.settings import BusSettings
from iot_edge_anomaly.resilience.tether import die_with_parent

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

PUMPS = [f"acme/site/pump-{number}" for number in range(6)]
ROWS = 10


class External:
    """The server, with a user and a password."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [server_binary(BusSettings()), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self._folder]
        self._process = subprocess.Popen(
            [*map(str, command), "--user", "plant", "--pass", "secret"],
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def table(self, folder: Path, password: str = "secret") -> str:
        secret = folder / "bus.password"
        secret.write_text(f"{password}\n")
        return (
            f'[bus]\nurl = "nats://127.0.0.1:{self.port}"\nuser = "plant"\npassword = {{ file = "{secret}" }}\n'
            "partitions = 2\nquota_mb = 64\n"
        )


@pytest.fixture
def external(tmp_path: Path) -> Iterator[External]:
    server = External(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


def place(folder: Path) -> Path:
    folder.mkdir()
    return folder


def sent(client: httpx.Client, sequence: int) -> bool:
    """Send a numbered batch of every pump; tell whether all were acknowledged."""
    payloads = [
        {
            "asset": pump,
            "source": "plc",
            "sequence": sequence,
            "rows": [{"time": f"2026-01-01T00:{sequence:02d}:{row:02d}Z", "flow": float(row)} for row in range(ROWS)],
        }
        for pump in PUMPS
    ]
    return client.post("/v1/readings", json=payloads).status_code == 202


def is_settled(system: SmallSystem) -> bool:
    partitions = system.told("status")["partitions"]
    return system.ask("reconcile").returncode == 0 and all(part["committed"] for part in partitions)


def test_two_systems_on_one_server_share_the_work_survive_its_restart_and_double_nothing(
    external: External, tmp_path: Path
) -> None:
    one_folder, other_folder = place(tmp_path / "one"), place(tmp_path / "other")
    with small_system(other_folder, external.table(other_folder)) as other:
        with small_system(one_folder, external.table(one_folder)) as one, one.client() as a, other.client() as b:
            roles = {process["role"] for process in one.told("status")["processes"]}
            assert "broker" not in roles
            assert "worker" in roles
            for sequence in range(1, 11):
                eventually(lambda sequence=sequence: sent(a if sequence % 2 else b, sequence))
            assert sent(b, 1), "a repeat through the other gateway"
            eventually(lambda: is_settled(one))
            external.kill()
            assert a.post("/v1/readings", json={"asset": PUMPS[0], "rows": [{"flow": 1.0}]}).status_code == 503
            external.start()
            for sequence in range(11, 16):
                eventually(lambda sequence=sequence: sent(a if sequence % 2 else b, sequence))
            eventually(lambda: is_settled(other))
        with other.client() as b:
            eventually(lambda: sent(b, 16))
            eventually(lambda: all(line["used"] >= 15 * ROWS for line in other.told("reconcile")["lines"]))
        lines = other.told("reconcile")["lines"]
        assert {line["asset"] for line in lines} == set(PUMPS)
        assert all(line["accepted"] == 17 * ROWS and line["duplicate"] >= ROWS for line in lines)
        assert all(line["used"] + line["held"] == 16 * ROWS for line in lines)
        out = tmp_path / "scores.csv"
        assert other.ask("export", "scores", "--out", out).returncode == 0
        with out.open(newline="") as file:
            seen = Counter((row["asset"], row["time_ns"]) for row in csv.DictReader(file))
        assert len(seen) >= 15 * ROWS * len(PUMPS)
        assert set(seen.values()) == {1}, "no row was concluded twice"


def test_a_wrong_password_and_a_server_that_is_not_there_are_told(external: External, tmp_path: Path) -> None:
    config = tmp_path / "plant.toml"
    config.write_text(external.table(tmp_path, password="wrong") + "[console]\nenabled = false\n")
    refused = typed_apart("up", "--config", config, "--data-dir", tmp_path / "plant")
    assert refused.returncode in (1, 2)
    assert "Traceback" not in refused.stderr
    assert str(external.port) in refused.stderr
    external.kill()
    away = typed_apart("up", "--config", config, "--data-dir", tmp_path / "plant")
    assert away.returncode in (1, 2)
    assert "Traceback" not in away.stderr
    assert str(external.port) in away.stderr
    external.start()
