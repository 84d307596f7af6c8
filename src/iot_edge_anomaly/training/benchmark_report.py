"""Write and show what a benchmark found: `table.csv`, `detection.json`, a table to read."""

import csv
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import numpy as np

from iot_edge_anomaly import __version__
from iot_edge_anomaly.training.benchmark import Report, Run


def write_report(report: Report, folder: Path) -> None:
    """Write `table.csv` (one line a run) and `detection.json` (figures, and what they were measured on)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(Run.__struct_fields__)
        writer.writerows(msgspec.structs.astuple(run) for run in report.runs)
    content = {"commit": _commit(), "machine": _machine(), "versions": _versions(), **msgspec.to_builtins(report)}
    (folder / "detection.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def format_report(report: Report, methods: Sequence[str]) -> str:
    """Return mean VUS-PR a suite, and the mean of these, as a text table."""
    width = max(len(name) for name in (*report.suite_means, "mean of suites"))
    head = f"{'suite':<{width}}  {'series':>6}  " + "  ".join(f"{name:>13}" for name in methods)
    counts = {
        suite: len({run.series for run in report.runs if run.suite == suite and run.vus_pr is not None})
        for suite in report.suite_means
    }
    lines = [_line(suite, width, counts[suite], means, methods) for suite, means in report.suite_means.items()]
    return "\n".join(
        [head, *lines, _line("mean of suites", width, sum(counts.values()), report.mean_of_suite_means, methods)]
    )


def _line(label: str, width: int, count: int, means: dict[str, float], methods: Sequence[str]) -> str:
    return f"{label:<{width}}  {count:>6}  " + "  ".join(f"{means[name]:>13.3f}" for name in methods if name in means)


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _machine() -> dict[str, object]:
    return {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}


def _versions() -> dict[str, str]:
    versions = {"iot-edge-anomaly": __version__, "python": sys.version.split()[0], "numpy": np.__version__}
    try:
        versions["pyod"] = version("pyod")
    except PackageNotFoundError:
        versions["pyod"] = "not installed"
    return versions
