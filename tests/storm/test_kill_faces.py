"""A short, real storm of faces passes; each sabotage is found: the check can see what it claims to see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.server, pytest.mark.system]


def storm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("no chromium here; run: apt-get install chromium")
    size = ("--kills", "4", "--seconds", "6", "--assets", "20", "--history-rows", "30", "--seed", "1")
    command = [sys.executable, "-m", "benchmarks.kill_faces", *size, "--keep-figures", "no", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)


def test_after_a_short_storm_nobody_can_tell() -> None:
    done = storm()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nobody can tell" in done.stdout


def test_each_sabotage_is_found() -> None:
    done = storm("--settle", "12", "--sabotage", "lose-position", "double-write", "drop-notification")
    assert done.returncode == 1, done.stdout + done.stderr
    for complaint in ("view database: days differs", "history: readings has", "history: alarms has", "never told"):
        assert complaint in done.stdout, done.stdout + done.stderr
