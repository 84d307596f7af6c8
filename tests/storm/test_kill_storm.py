"""A short, real storm passes; each sabotage makes it fail: the check can see what it claims to see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def storm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.kill_storm", "--readings", "20000", "--seed", "1", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.server
def test_a_short_storm_loses_and_doubles_nothing() -> None:
    done = storm("--kills", "6", "--keep-figures", "no")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conservation holds" in done.stdout


@pytest.mark.server
@pytest.mark.parametrize(
    ("mode", "complaint"),
    [
        ("drop-one", "values were acknowledged"),
        ("double-one", "values were acknowledged"),
        ("skip-fence", "committed before"),
        ("lose-tail", "values were acknowledged"),
    ],
)
def test_each_sabotage_is_found(mode: str, complaint: str) -> None:
    done = storm("--kills", "3", "--settle", "12", "--sabotage", mode)
    assert done.returncode == 1, done.stdout + done.stderr
    assert complaint in done.stdout
