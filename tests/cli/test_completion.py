"""The completion script that the program gives, in a real bash, beside a running system."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_system import PUMP, SmallSystem  # type: ignore[import-not-found]

from iot_edge_anomaly.security.devices import create_device
from iot_edge_anomaly.security.principal import EVERY_TENANT, Permission, Principal
from iot_edge_anomaly.security.tokens import token_store

PROGRAMS = Path(sys.executable).parent
SCRIPT = 'eval "$(iot-edge-anomaly --show-completion bash)"'
COMPLETE = """
while read -r line; do
  read -ra COMP_WORDS <<< "$line"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _iot_edge_anomaly_completion iot-edge-anomaly
  echo "${COMPREPLY[@]}"
done
"""

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here; run: apt-get install bash"),
]


def environment(data_dir: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "IOT_EDGE_ANOMALY_DATA_DIR": str(data_dir),
    }


def completed(data_dir: Path, *lines: str) -> list[set[str]]:
    """Return what the shell offers for the last word of each line."""
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{SCRIPT}\n{COMPLETE}"],
        input="".join(f"iot-edge-anomaly {line}\n" for line in lines),
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_verbs_options_and_choices(tmp_path: Path) -> None:
    verbs, options, what, detectors, past = completed(
        tmp_path, "re", "status --", "export s", "fit train.csv --detector l", "backtest rows.csv --train-"
    )
    assert verbs == {"replay", "replay-alarm", "reconcile", "reference"}
    assert "--data-dir" in options
    assert what == {"scores"}
    assert detectors == {"linear"}
    assert past == {"--train-rows", "--train-until"}


def test_assets_and_alarms_of_the_running_system(system: SmallSystem) -> None:
    with system.client() as client:
        known = {alarm["id"] for alarm in client.get("/v1/alarms?state=all").json()["alarms"]}
    assert known
    alarms, mine, others, past = completed(
        system.data_dir, "replay-alarm A", "asset maintenance acme/", "asset maintenance rival/", "backtest acme/"
    )
    assert alarms == known
    assert PUMP in mine
    assert PUMP in past
    assert others == set()


def test_devices_and_tokens_need_no_running_system(tmp_path: Path) -> None:
    create_device(tmp_path, "pump-7", "acme")
    token = token_store(tmp_path).create(Principal("plc", EVERY_TENANT, frozenset({Permission.READ})))
    assert completed(tmp_path, "device remove p", "token revoke " + token.split("_")[1][:2]) == [
        {"pump-7"},
        {token.split("_")[1]},
    ]


def test_where_nothing_runs_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "security").mkdir()
    (tmp_path / "security" / "devices.json").write_text("no list")
    assert completed(tmp_path, "acknowledge A", "device remove p") == [set(), set()]


def test_a_person_presses_tab(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        ["bash", "--norc", "-i"], stdin=follower, stdout=follower, stderr=follower, env=environment(tmp_path)
    ) as shell:
        try:
            os.write(leader, f"{SCRIPT}; echo re''ady\n".encode())
            until(leader, "ready")
            os.write(leader, b"iot-edge-anomaly recon\t")
            until(leader, "reconcile")
        finally:
            shell.kill()
    os.close(follower)
    os.close(leader)


def until(terminal: int, wanted: str) -> None:
    heard, deadline = "", time.monotonic() + 60
    while wanted not in heard:
        assert time.monotonic() < deadline, heard
        if select.select([terminal], [], [], 0.1)[0]:
            heard += os.read(terminal, 4096).decode(errors="replace")
