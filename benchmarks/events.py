"""Are events found, soon and with few false alarms? SKAB and 3W by their protocols, with the default detector.

    OMP_NUM_THREADS=1 python -m benchmarks.events [SUITE_DIR]
    python -m benchmarks.events --sabotage random         # scores in random order: must fail both protocols
    python -m benchmarks.events --sabotage shifted        # scores that come too late: must fail both

SUITE_DIR holds the folders `skab` and `three_w`; without it, IOT_EDGE_ANOMALY_DATA or the folder shared/data beside the
project. One detector, one setting and one declared budget a protocol for all files; what that is stands in
`events_skab` and `events_three_w`. Exit 0: all bars are met. A sabotage that a protocol does not notice ends in exit 2.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import events_skab, events_three_w
from benchmarks.event_scores import DETECTOR, SABOTAGES, SEED
from benchmarks.results import ROOT, write

from iot_edge_anomaly.core.errors import ConfigError

DATA = Path(os.environ.get("IOT_EDGE_ANOMALY_DATA", ROOT.parent / "shared" / "data"))
PROTOCOLS = {events_skab.SUITE: events_skab, events_three_w.SUITE: events_three_w}


def measure(folder: Path, sabotage: str | None = None) -> dict[str, Any]:
    """Return the figures of both protocols, and what is short of the bars."""
    figures: dict[str, Any] = {"detector": DETECTOR}
    wrong: list[str] = []
    for name, protocol in PROTOCOLS.items():
        figures[name] = protocol.measure(folder, sabotage)
        print(protocol.table(figures[name]) + "\n", flush=True)
        wrong += protocol.complaints(figures[name])
    return {**figures, "met": not wrong, "complaints": wrong}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=DATA)
    parser.add_argument("--sabotage", choices=SABOTAGES)
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results")
    options = parser.parse_args(arguments)
    try:
        figures = measure(options.folder, options.sabotage)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    for complaint in figures["complaints"]:
        print(f"Not met: {complaint}", file=sys.stderr)
    if options.sabotage is None:
        print(write("events", figures, seed=SEED, folder=options.results))
        return 0 if figures["met"] else 1
    unnoticed = [name for name in PROTOCOLS if figures[name]["met"]]
    for name in unnoticed:
        print(f"{name}: the sabotage {options.sabotage} went unnoticed", file=sys.stderr)
    return 2 if unnoticed else 1


if __name__ == "__main__":
    sys.exit(main())
