"""How long the tutorial takes a machine, from a fresh clone on: every command of docs/tutorial.md, with a stopwatch.

    python -m benchmarks.tutorial

Clones this repository into an empty folder, installs it there as the page says, and goes on to the end of the page. The
packages come from where pip takes them, a cache among others. What a reader adds by reading and typing is not in it.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import ROOT, write
from benchmarks.walkthrough import walk

BAR_SECONDS = 600
PAGE = ROOT / "docs" / "tutorial.md"
OURS = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
"""What of this program's own environment a reader does not have."""


def measure() -> dict[str, object]:
    """Walk through the page in a folder of its own."""
    programs = Path(sys.executable).parent
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment["PATH"] = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if Path(p) != programs)
    with tempfile.TemporaryDirectory(prefix="tutorial-") as folder:
        began = time.monotonic()
        sections = walk(PAGE, Path(folder), environment, {"<this repository>": f"file://{ROOT}"}, all_once=True)
        seconds = time.monotonic() - began
    return {
        "seconds": round(seconds, 1),
        "seconds_by_section": {name: round(took, 1) for name, took in sections.items()},
        "bar_seconds": BAR_SECONDS,
        "met": seconds < BAR_SECONDS,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    options = parser.parse_args(arguments)
    figures = measure()
    print(figures)
    if options.keep_figures == "yes":
        write("tutorial", figures)
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
