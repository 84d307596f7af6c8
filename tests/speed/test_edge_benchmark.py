"""The benchmark of the edge role measures both processes and all values, and fails where memory leaks."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.server


def edge(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.edge", "--messages", "device", "--keep-figures", "no", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_both_processes_and_every_value_are_measured() -> None:
    done = edge("--minutes", "0.25")
    figures = ast.literal_eval(done.stdout.splitlines()[-1])["a_message_a"]["device"]
    assert figures["pss_mb"].keys() == figures["core_share"].keys() == {"edge", "broker"}
    assert min(figures["pss_mb"].values()) > 5
    assert min(figures["core_share"].values()) > 0
    assert figures["values_used"] <= figures["values_sent"] == 1500 <= figures["values_taken_in"]


def test_a_leak_makes_it_fail() -> None:
    done = edge("--minutes", "0.25", "--sabotage", "leak")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "MB are not below" in done.stdout
