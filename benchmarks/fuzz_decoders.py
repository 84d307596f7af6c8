"""Do decoders of what comes from outside crash or hang, whatever comes?

    pip install atheris==3.0.0
    python -m benchmarks.fuzz_decoders [--minutes 10] [--decoder NAME ...] [--sabotage]

Each decoder is fed by a coverage-guided fuzzer (atheris, libFuzzer) in a process of its own, two at a time, starting
from inputs that it understands: bodies over HTTP, MQTT messages, Sparkplug B messages of one node in a row, answers of
Modbus devices, what servers of OPC UA say of changes, messages of the streams. Each must end in readings that fit
together or in a refusal that its connector knows; more than two seconds for one input is a hang, more than 1 GiB is a
leak.

`--sabotage` fuzzes a decoder that forgets one case: it must be found.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.results import write

AT_ONCE = 2
GRACE_SECONDS = 120
NAMES = ("http", "mqtt", "sparkplug", "modbus", "opcua", "stream")
SABOTAGE = "sabotage"
SEED = 73


def fuzzed(name: str, seconds: float) -> dict[str, Any]:
    """Fuzz one decoder for so long; return what came of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        _plant_seeds(name, Path(folder))
        command = [sys.executable, "-m", "benchmarks.fuzz_targets", name, folder, str(round(seconds))]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS, check=False)
        found = [path for kind in ("crash", "timeout", "oom") for path in sorted(Path(folder).glob(f"{kind}-*"))]
        return {
            "inputs": _told(ran.stderr, r"stat::number_of_executed_units:\s*(\d+)"),
            "coverage": _last(ran.stderr, r"cov: (\d+)"),
            "slowest_seconds": _told(ran.stderr, r"stat::slowest_unit_time_sec:\s*(\d+)"),
            "peak_mb": _told(ran.stderr, r"stat::peak_rss_mb:\s*(\d+)"),
            "exit_code": ran.returncode,
            "found": [f"{path.name[:16]} {path.read_bytes()[:80].hex()}" for path in found],
            "said": _trouble(ran.stdout + ran.stderr) if ran.returncode else "",
        }


def _plant_seeds(name: str, folder: Path) -> None:
    code = "import sys; from benchmarks.fuzz_targets import TARGETS; " + (
        "[open(f'{sys.argv[2]}/seed-{n}', 'wb').write(s) for n, s in enumerate(TARGETS[sys.argv[1]].seeds)]"
    )
    subprocess.run([sys.executable, "-c", code, name, str(folder)], check=True, capture_output=True)


def _told(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _last(text: str, pattern: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _trouble(text: str) -> str:
    """Return what the fuzzer said last of an uncaught error or of a hang."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "stat::", "INFO"))]
    return " | ".join(lines[:14])[:1500]


def complaints(found: dict[str, Any]) -> list[str]:
    """Return in plain words which decoder did what it must not."""
    said = [f"{name}: {one['said'] or one['found']}" for name, one in found.items() if one["exit_code"] or one["found"]]
    return said + [f"{name}: nothing was fuzzed" for name, one in found.items() if not one["inputs"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="for each decoder")
    parser.add_argument("--decoder", choices=NAMES, nargs="*", default=NAMES)
    parser.add_argument("--sabotage", action="store_true")
    chosen = parser.parse_args()
    if find_spec("atheris") is None:
        print("this needs a fuzzer; bring it with: pip install atheris==3.0.0", file=sys.stderr)
        return 2
    names = (SABOTAGE,) if chosen.sabotage else tuple(chosen.decoder)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(lambda name: fuzzed(name, chosen.minutes * 60), names), strict=True))
    for name, one in found.items():
        print(f"{name:10} {one['inputs']:>12,} inputs, coverage {one['coverage']:,}, peak {one['peak_mb']} MB")
    said = complaints(found)
    print(*said, sep="\n")
    if not chosen.sabotage:
        figures = {"minutes_each": chosen.minutes, "decoders": found, "complaints": said, "met": not said}
        write("fuzz_decoders", figures, SEED)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
