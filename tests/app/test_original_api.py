"""The text of the original API runs word for word, with NumPy standing in for torch."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = CHECKOUT / "examples" / "original_api.py"

STAND_IN = """
import numpy
def randn(*shape):
    return numpy.random.default_rng(0).normal(size=shape)
"""

PROBE = """
import runpy, sys
sys.path.insert(0, {checkout!r})
sys.path.insert(0, {stand_in!r})
runpy.run_path({example!r}, run_name="__main__")
import psutil
print("children", [child.pid for child in psutil.Process().children(recursive=True)])
"""


def test_the_original_text_runs_from_a_checkout(tmp_path: Path) -> None:
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "torch.py").write_text(STAND_IN)
    script = PROBE.format(checkout=str(CHECKOUT), stand_in=str(stand_in), example=str(EXAMPLE))
    environment = {**os.environ, "IOT_EDGE_ANOMALY_CONSOLE__ENABLED": "false"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(": ") for line in done.stdout.splitlines() if ": " in line)
    assert float(said["Prediction"]) >= 0
    assert said["System Health"] == "healthy"
    assert int(said["Security Status"]) >= 1
    children = [int(pid) for pid in done.stdout.splitlines()[-1].removeprefix("children [").rstrip("]").split(", ")]
    assert children
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in children if psutil.pid_exists(pid)], timeout=20)
    assert not alive
