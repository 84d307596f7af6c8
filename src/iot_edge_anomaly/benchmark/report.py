"""Write and show what a benchmark found: `table.csv`, `detection.json`, a page of plots, a table to read."""

import csv
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from iot_edge_anomaly import __version__
from iot_edge_anomaly.benchmark.page import benchmark_page
from iot_edge_anomaly.benchmark.peers import PEERS
from iot_edge_anomaly.benchmark.run import Benchmark, Report
from iot_edge_anomaly.benchmark.series import Run
from iot_edge_anomaly.benchmark.summary import Standing

COLUMNS = (
    *(field for field in Run.__struct_fields__ if field != "delays_rows"),
    *("false_alarms_per_week", "events_found", "median_delay_rows", "microseconds_a_row"),
)
HEAD = ("method", "VUS-PR", "95 %", "x best peer", "95 %", "lowest without", "AUC-PR", "F1")
HEAD_ALARMS = ("method", "false alarms a week", "events found", "delay rows", "us a row", "growth MB")
NONE = "-"

Table = list[tuple[str, ...]]


def write_report(benchmark: Benchmark, folder: Path) -> None:
    """Write `table.csv` (one line a run), `detection.json` (figures and their origin) and the page `detection.html`."""
    report = benchmark.report
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_csv_line(run) for run in report.runs)
    content = {"commit": _commit(), "machine": _machine(), "versions": _versions(), **msgspec.to_builtins(report)}
    (folder / "detection.json").write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    page = benchmark_page(benchmark, [by_suite(report), ranking(report), alarms(report)])
    (folder / "detection.html").write_text(page, encoding="utf-8")


def format_report(report: Report) -> str:
    """Return mean VUS-PR by suite, how each method stands over all suites, and what its alarms are worth, as text."""
    tables = [_text(table) for table in (by_suite(report), ranking(report), alarms(report))]
    skipped = "\n".join(f"{name} did not run: {reason}" for name, reason in report.skipped.items())
    return "\n\n".join([*tables, skipped] if skipped else tables)


def by_suite(report: Report) -> Table:
    """Return mean VUS-PR, methods by suites; below the head the number of series with a label."""
    suites = list(report.suite_means)
    head = ("mean VUS-PR", *suites, "mean of suites")
    counts = [next(iter(report.suites[suite].values())).series for suite in suites]
    lines = [
        (name, *(_figure(report.suite_means[suite][name], 3) for suite in suites), _figure(one.all.vus_pr, 3))
        for name, one in report.methods.items()
    ]
    return [head, ("series", *map(str, counts), str(sum(counts))), *lines]


def ranking(report: Report) -> Table:
    """Return how each method ranks over all suites, and how sure that is."""
    return [HEAD, *(_ranks(name, one) for name, one in report.methods.items())]


def alarms(report: Report) -> Table:
    """Return what the alarms of each method are worth at the budget, and its cost."""
    return [HEAD_ALARMS, *(_worth(name, one) for name, one in report.methods.items())]


def _ranks(name: str, one: Standing) -> tuple[str, ...]:
    lowest = min(one.without, key=one.without.__getitem__, default=None)
    return (
        name,
        _figure(one.all.vus_pr, 3),
        _range(one.interval_95),
        _figure(one.ratio_to_best_peer, 2),
        _range(one.ratio_interval_95),
        NONE if lowest is None else f"{one.without[lowest]:.3f} ({lowest})",
        _figure(one.all.auc_pr, 3),
        _figure(one.all.f1, 3),
    )


def _worth(name: str, one: Standing) -> tuple[str, ...]:
    found = one.all
    return (
        name,
        f"{_figure(found.false_alarms_per_week, 2)} ({found.false_alarms})",
        f"{found.events_found} of {found.events}",
        _figure(found.median_delay_rows, 0),
        _figure(found.microseconds_a_row, 1),
        _figure(found.growth_mb, 0),
    )


def _text(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in table
    )


def _figure(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _range(interval: tuple[float, float] | None) -> str:
    return NONE if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}"


def _csv_line(run: Run) -> dict[str, object]:
    found = msgspec.structs.asdict(run)
    delays: Sequence[int] = found.pop("delays_rows")
    return found | {
        "false_alarms_per_week": round(run.false_alarms / run.quiet_weeks, 4) if run.quiet_weeks else None,
        "events_found": len(delays),
        "median_delay_rows": median(delays) if delays else None,
        "microseconds_a_row": round(1e6 * run.score_seconds / max(run.rows, 1), 2),
    }


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
    packages = sorted({peer.package for peer in PEERS.values() if peer.package is not None})
    return {
        "iot-edge-anomaly": __version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        **{package: _version(package) for package in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
