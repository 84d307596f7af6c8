"""The benchmark of latency sees every alarm that it provokes, and fails where the worker is slow. No figures here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.server


def latency(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.latency", "--rate", "4000", "--keep-figures", "no", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_every_alarm_that_was_provoked_is_seen() -> None:
    done = latency("--seconds", "3")
    assert "'alarms': 30, 'alarms_that_never_came': 0" in done.stdout, done.stdout + done.stderr


def test_a_slow_worker_makes_it_fail() -> None:
    done = latency("--seconds", "2", "--sabotage", "slow")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "is not below 100 ms" in done.stdout
