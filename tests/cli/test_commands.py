"""Each command as it is typed: help with an example, exit codes, JSON for programs, errors that say what to do."""

import csv
import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from small_system import PUMP, SmallSystem, eventually, free_port, typed, typed_apart  # type: ignore[import-not-found]

from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.connectors import replay
from iot_edge_anomaly.connectors.sign_in import is_let_in

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


def _commands(of: Any, *before: str) -> list[tuple[str, ...]]:
    if not hasattr(of, "commands"):
        return [before]
    return [found for name, command in of.commands.items() for found in _commands(command, *before, name)]


COMMANDS = _commands(typer.main.get_command(app))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_what_it_does_with_an_example_of_this_very_command(command: tuple[str, ...]) -> None:
    done = typed(*command, "--help")
    assert done.returncode == 0
    assert f"Usage: iot-edge-anomaly {' '.join(command)}" in done.stdout
    examples = re.findall(r"^\s*(?:Example: )?iot-edge-anomaly (.+?)\s*$", done.stdout, re.MULTILINE)
    assert any(example.startswith(" ".join(command)) for example in examples), done.stdout


def test_without_a_verb_help_is_shown_and_a_misspelt_one_is_guessed() -> None:
    assert "Start with: iot-edge-anomaly up --demo" in typed().stdout
    done = typed("stauts")
    assert done.returncode == 2
    assert "Did you mean 'status'?" in done.stderr
    assert typed("--version").stdout.startswith("iot-edge-anomaly ")


def test_status_is_complete_for_programs_and_for_people(system: SmallSystem) -> None:
    told = system.told("status")
    assert {"broker", "worker", "trainer", "connectors", "gateway"} <= {one["role"] for one in told["processes"]}
    assert all(one["pid"] and "restarts" in one for one in told["processes"])
    assert [part["partition"] for part in told["partitions"]] == [0, 1]
    assert (told["assets"], told["learning"]) == (2, 2)
    assert told["open_alarms"] >= 1
    assert told["set_aside"] == 1
    eventually(lambda: all(one["written"] == one["last"] for one in system.told("status")["views"]))
    assert [one["partition"] for one in system.told("status")["views"]] == [0, 1]
    eventually(lambda: [one["state"] for one in system.told("status")["connectors"]] == ["up"])
    (connector,) = system.told("status")["connectors"]
    assert connector["name"] == "embedded-mqtt"
    shown = system.ask("status").stdout
    assert all(word in shown for word in ("gateway", str(system.port), "embedded-mqtt", "2 assets", "set aside"))
    assert "the view database" in shown


def test_doctor_says_what_is_well(system: SmallSystem) -> None:
    told = system.told("doctor")
    assert told["ready"] is True
    names = [check["name"] for check in told["checks"]]
    assert {"python", "nats-server", "page", "disk", "data folder", "system", "embedded-mqtt"} <= set(names)
    assert "BAD" not in system.ask("doctor").stdout


def test_doctor_names_what_is_down_and_its_log(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    tmp_path.chmod(0o700)
    down = {"role": "console", "pid": None, "port": 1, "restarts": 0, "started_at": 0.0}
    (tmp_path / "run" / "processes.json").write_text(json.dumps([down]))
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = typed("doctor", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert re.search(r"BAD\s+system\s+console down; see .*logs/console.log", done.stdout)


def test_assets_and_alarms_are_listed(system: SmallSystem) -> None:
    assets = {row["asset"]: row for row in system.told("asset", "list")}
    assert assets.keys() == {PUMP, "acme/site-1/pump-2"}
    assert set(assets[PUMP]) >= {"phase", "progress", "score"}
    (alarm, *_) = system.told("alarms")
    assert alarm["asset"] == PUMP
    assert "pressure" in system.ask("alarms").stdout
    assert system.ask("alarms", "--limit", 0).returncode == 2


def test_the_balance_holds_and_everything_can_be_exported(system: SmallSystem, tmp_path: Path) -> None:
    eventually(lambda: system.ask("reconcile").returncode == 0)
    lines = system.told("reconcile")["lines"]
    assert {line["asset"] for line in lines} == {PUMP, "acme/site-1/pump-2"}
    assert sum(line["accepted"] for line in lines) == 81
    for what, some in (("readings", 80), ("scores", 30), ("alarms", 1)):
        out = tmp_path / f"{what}.csv"
        assert system.ask("export", what, "--out", out).returncode == 0
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) >= some
        assert rows[0]["asset"].startswith("acme/")


def test_acts_are_done_and_said(system: SmallSystem) -> None:
    alarm_id = system.told("alarms")[0]["alarm"][0]
    for arguments, said in (
        (("acknowledge", alarm_id, "--note", "on my way"), "is acknowledged"),
        (("feedback", alarm_id, "wrong", "--note", "valve test"), "was wrong: noted"),
        (("asset", "shelve", PUMP, "limit:pressure:H", "--for", "1h", "--reason", "flush"), "is shelved for 1h"),
        (("asset", "shelve", PUMP, "limit:pressure:H", "--for", "0s"), "is back"),
        (("asset", "maintenance", PUMP, "--for", "30m", "--reason", "seal"), "is in maintenance for 30m"),
        (("asset", "maintenance", PUMP, "--for", "0s"), "is over"),
        (("asset", "new-normal", PUMP), "is being learned anew"),
        (("asset", "limits", PUMP, "pressure", "--high-high", "11", "--reason", "new seal"), "high high limit  11 bar"),
        (("asset", "limits", PUMP, "pressure"), "high limit       7 bar"),
        (("asset", "limits", PUMP, "pressure", "--high-high", "file"), "high high limit  none"),
    ):
        done = system.ask(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout


def test_what_was_said_of_an_alarm_is_listed_and_counted(system: SmallSystem) -> None:
    alarm_id = system.told("alarms")[-1]["alarm"][0]
    assert system.ask("feedback", alarm_id, "right", "--note", "bearing").returncode == 0
    eventually(lambda: alarm_id in [one["alarm"][0] for one in system.told("alarms", "--verdict", "right")])
    (found,) = (one for one in system.told("alarms", "--verdict", "right") if one["alarm"][0] == alarm_id)
    assert (found["verdict"][0], found["verdict"][2]) == (True, "bearing")
    assert "right" in system.ask("alarms", "--verdict", "right").stdout
    told = system.told("budget")
    assert told["fleet"]
    assert {one[1] for one in told["promises"]} <= {"kept", "not yet verifiable"}
    shown = system.ask("budget").stdout
    assert "too early to say" in shown


def test_alarms_are_filtered_and_what_is_no_filter_is_refused(system: SmallSystem) -> None:
    eventually(lambda: system.told("alarms", "--words", "PRESSURE", "--asset", PUMP, "--since", "520w"))
    assert system.told("alarms", "--asset", "acme/site-1/pump-2", "--words", "pressure") == []
    assert system.ask("alarms", "--words", "zzz").stdout == "no alarms like that\n"
    for arguments in (("--state", "closed"), ("--verdict", "maybe"), ("--since", "soon"), ("--priority", "urgent")):
        assert system.ask("alarms", *arguments).returncode == 2
    assert system.ask("acknowledge", "A-none").returncode == 1
    assert system.ask("feedback", "A-none", "right").returncode == 1
    assert system.ask("feedback", "A-none", "maybe").returncode == 2
    assert system.ask("asset", "shelve", PUMP, "score", "--for", "1h").returncode == 1
    assert system.ask("asset", "limits", PUMP, "pressure", "--high", "x").returncode == 2


def test_tokens_and_devices_are_made_listed_and_taken_away(system: SmallSystem) -> None:
    token = system.ask("token", "create", "plc-7", "--tenant", "acme", "--lifetime", "30d").stdout.strip()
    token_id = token.split("_")[1]
    assert token_id in system.ask("token", "list").stdout
    assert token not in system.ask("token", "list").stdout
    assert system.ask("token", "revoke", token_id).returncode == 0
    assert "token list" in system.ask("token", "revoke", token_id).stderr
    made = system.ask("device", "create", "pump-7", "--tenant", "acme")
    password = made.stdout.split("password")[1].split()[0]
    assert is_let_in("127.0.0.1", system.mqtt_port, "pump-7", password), "from the moment it was told"
    assert not is_let_in("127.0.0.1", system.mqtt_port, "pump-7", "guessed")
    again = system.ask("device", "create", "pump-7", "--tenant", "acme")
    assert (again.returncode, "already" in again.stderr) == (2, True)
    assert "pump-7" in system.ask("device", "list").stdout
    assert system.ask("device", "remove", "pump-7").returncode == 0
    assert "device list" in system.ask("device", "remove", "pump-7").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("asset", "maintenance", "acme/site-1/pmp-1", "--for", "1h"), 1, f"did you mean {PUMP}?"),
        (("asset", "maintenance", "acme", "--for", "1h"), 1, "must read tenant/.../asset"),
        (("asset", "maintenance", PUMP, "--for", "soon"), 2, "write for example 90s, 30m"),
        (("asset", "maintenance", PUMP, "--for", "900d"), 1, "to 90 days"),
        (("asset", "shelve", PUMP, "limit:presure:H", "--for", "1h"), 1, "did you mean limit:pressure:H?"),
        (("asset", "new-normal", "rival/x"), 1, "nothing has come in from it yet"),
        (("acknowledge", "Anone"), 1, "list them with: iot-edge-anomaly alarms"),
        (("feedback", "Anone", "right"), 1, "see: iot-edge-anomaly alarms"),
        (("replay-alarm", "Anone"), 1, "iot-edge-anomaly alarms"),
        (("export", "scores", "--out", "/no/such/folder/x.csv"), 2, "/no/such/folder/x.csv: No such file or directory"),
        (("export", "scores", "--out", "/"), 2, "/: Is a directory"),
        (("export", "scores", "--out", "/dev/full"), 1, "No space left on device"),
        (("export", "score", "--out", "x.csv"), 2, "readings"),
        (("run", "worke"), 2, "there are worker, connectors, trainer"),
        (("replay", "/no/such.csv", "--asset", PUMP, "--to", "http://127.0.0.1:1"), 2, "/no/such.csv"),
        (("replay", __file__, "--asset", PUMP, "--to", "pump"), 2, "for example http://127.0.0.1:8080"),
        (("token", "create", "x", "--lifetime", "soon"), 2, "is no duration"),
        (("token", "create", "x", "--permission", "all"), 2, "operate"),
        (("device", "create", "pump 7", "--tenant", "acme"), 2, "pump 7"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_answered_with_what_to_do(
    system: SmallSystem, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = system.ask(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2_000


def test_a_second_start_in_the_same_folder_is_refused_and_the_first_runs_on(system: SmallSystem) -> None:
    done = typed_apart("up", "--config", system.config, "--data-dir", system.data_dir)
    assert done.returncode == 2
    assert "is in use by process" in done.stderr
    assert "--data-dir" in done.stderr
    assert system.ask("status").returncode == 0


NEEDS_A_SYSTEM = [
    ("status",),
    ("alarms",),
    ("acknowledge", "A1"),
    ("replay-alarm", "A1"),
    ("asset", "list"),
    ("asset", "new-normal", "a/b"),
    ("reconcile",),
    ("export", "scores", "--out", "x.csv"),
    ("token", "list"),
    ("token", "create", "x"),
    ("device", "list"),
    ("device", "create", "x", "--tenant", "acme"),
    ("replay", __file__, "--asset", "a/b", "--to", "http://127.0.0.1:1"),
]


@pytest.mark.parametrize("arguments", NEEDS_A_SYSTEM, ids=" ".join)
def test_the_wrong_data_folder_is_named_and_not_made(arguments: tuple[str, ...], tmp_path: Path) -> None:
    nowhere = tmp_path / "typo"
    done = typed(*arguments, "--data-dir", nowhere)
    assert done.returncode == 2
    assert str(nowhere) in done.stderr
    assert not nowhere.exists()
    assert "Traceback" not in done.stderr


def test_doctor_says_that_a_folder_is_not_there(tmp_path: Path) -> None:
    done = typed("doctor", "--data-dir", tmp_path / "typo")
    assert done.returncode == 0
    assert "is not there" in done.stdout
    assert "not running" in done.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "plant.toml"),
        (b"\xff\xfe", "plant.toml"),
        (b"[gateway]\nprt = 1\n", "plant.toml:2: gateway.prt: unknown key; did you mean port?"),
        (b"[gateway\n", "plant.toml:1:"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_before_anything_is_made(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    config, data_dir = tmp_path / "plant.toml", tmp_path / "plant"
    if content is not None:
        config.write_bytes(content)
    for command in (("up", "--config", config, "--data-dir", data_dir), ("config", "check", config)):
        done = typed(*command)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert not data_dir.exists()


@pytest.mark.parametrize(("table", "key"), [("bus", "port"), ("bus", "mqtt_port"), ("gateway", "port")])
def test_a_port_that_is_taken_is_named(table: str, key: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "plant.toml"
        config.write_text(f"[{table}]\n{key} = {port}\n")
        done = typed_apart("up", "--config", config, "--data-dir", tmp_path / "plant")
    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use; choose another" in done.stderr


def test_a_data_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = typed_apart("up", "--data-dir", tmp_path / "file")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "file" in done.stderr
    done = typed_apart("up", "--data-dir", "/proc/plant")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "/proc/plant" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become somebody else")
def test_a_folder_of_somebody_else_is_named(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--data-dir", str(private / "plant")]
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", *command], capture_output=True, text=True, timeout=60
    )
    if "No module named" in done.stderr or "can't open file" in done.stderr or "setpriv" in done.stderr:
        pytest.skip("nobody cannot read the program here")
    assert done.returncode == 2, done.stderr
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gateway_that_is_not_there_is_told_within_seconds_and_without_the_payload(
    system: SmallSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "FIRST_RETRY_SECONDS", 1.0)
    history = tmp_path / "history.csv"
    history.write_text("timestamp,flow\n" + "".join(f"{second},{second}.5\n" for second in range(500)))
    address = f"http://127.0.0.1:{free_port()}"
    done = system.ask("replay", history, "--asset", PUMP, "--to", address)
    assert done.returncode == 1
    assert f"no answer from the gateway at {address}" in done.stderr
    assert len(done.stdout + done.stderr) < 2_000
    assert "rows" not in done.stdout + done.stderr
    wrong = system.ask("replay", history, "--asset", PUMP, "--to", system.url, "--token", "iea_1_2")
    assert wrong.returncode == 1
    assert "answers 401: this token is unknown, revoked or expired" in wrong.stderr


def test_output_that_nobody_reads_to_its_end_is_no_error(system: SmallSystem) -> None:
    line = f"{sys.executable} -m iot_edge_anomaly.cli.main reconcile --json --data-dir {system.data_dir} | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
