"""Is one sensor made of three better than the best of them, when one of them is wrong, and when none is?

    python -m benchmarks.fusion [--sabotage mean]

A temperature swings by the hour and wanders; three thermometers read it once a second, with noise of 0.10, 0.15 and
0.20 degrees and offsets of up to a tenth of a degree; a tolerance of 1 degree. For 40 minutes of two hours one of them
is wrong, each of the three in turn: it drifts by 6 degrees, it fails (no reading), it is stuck, it lags by two minutes,
it spikes, it is three times off in every third row. The error is that of the fused value against the truth, root mean
square over the two hours; the best single sensor is the one with the least error in the same rows, which nobody knows
beforehand. The sensors go through the code that the pipeline runs.

`--sabotage mean` reads the mean of all, whoever is off: it must fail.
"""

import argparse
import sys
from typing import Any

import numpy as np
from benchmarks.results import write
from numpy.typing import NDArray

from iot_edge_anomaly.fusion.redundant import Choice, Trust, read_as_one

SEED = 71
RUNS = 20
ROWS = 7200
WRONG = slice(3000, 5400)
TOLERANCE = 1.0
NOISE = np.array([0.10, 0.15, 0.20])
FAULTS = ("none", "drift", "fails", "stuck", "lag", "spikes", "comes and goes")

Matrix = NDArray[np.float64]


def truth(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a temperature, degrees, a row a second."""
    wander = np.cumsum(random.normal(size=ROWS)) * 0.01
    return 60.0 + 4.0 * np.sin(2.0 * np.pi * np.arange(ROWS) / 3600.0) + wander


def sensors(true: NDArray[np.float64], random: np.random.Generator) -> Matrix:
    return true[:, None] + random.uniform(-0.1, 0.1, 3) + NOISE * random.normal(size=(ROWS, 3))


def wrong(rows: Matrix, fault: str, sensor: int, random: np.random.Generator) -> Matrix:
    """Return rows in which one sensor is wrong for a while."""
    rows, count = rows.copy(), WRONG.stop - WRONG.start
    column = rows[WRONG, sensor]
    if fault == "drift":
        column += np.linspace(0.0, 6.0, count)
    elif fault == "fails":
        column[:] = np.nan
    elif fault == "stuck":
        column[:] = column[0]
    elif fault == "lag":
        column[:] = rows[WRONG.start - 120 : WRONG.stop - 120, sensor]
    elif fault == "spikes":
        column[random.random(count) < 0.05] += 15.0
    elif fault == "comes and goes":
        column[::3] += 3.0
    return rows


def error(read: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Return the root mean square; a row without a reading counts as one that is off by the tolerance."""
    off = np.where(np.isfinite(read), read - true, TOLERANCE)
    return float(np.sqrt((off**2).mean()))


def fused(rows: Matrix, choice: Choice, sabotage: str | None) -> NDArray[np.float64]:
    if sabotage == "mean":
        return np.asarray(np.nanmean(rows, axis=1))
    return read_as_one([Trust()] * 3, rows, choice, TOLERANCE)[1].value


def measure(sabotage: str | None = None) -> dict[str, Any]:
    """Return the errors by fault: of the best sensor, and of each choice."""
    errors: dict[str, dict[str, list[float]]] = {
        fault: {name: [] for name in ("best sensor", *Choice)} for fault in FAULTS
    }
    for run in range(RUNS):
        random = np.random.default_rng((SEED, run))
        true = truth(random)
        healthy = sensors(true, random)
        for fault in FAULTS:
            rows = wrong(healthy, fault, run % 3, random)
            own = errors[fault]
            own["best sensor"].append(min(error(column, true) for column in rows.T))
            for choice in Choice:
                own[choice].append(error(fused(rows, choice, sabotage), true))
    return {
        "runs": RUNS,
        "rows": ROWS,
        "tolerance": TOLERANCE,
        "errors": {
            fault: {str(name): round(float(np.mean(values)), 4) for name, values in own.items()}
            for fault, own in errors.items()
        },
        "worse_than_the_best": {
            fault: {
                str(choice): sum(a > b for a, b in zip(own[choice], own["best sensor"], strict=True))
                for choice in Choice
            }
            for fault, own in errors.items()
        },
    }


def complaints(found: dict[str, Any]) -> list[str]:
    """Return in plain words where the default choice misses a bar: under the best sensor, whatever is wrong."""
    said = []
    for fault, own in found["errors"].items():
        if own["median"] >= own["best sensor"]:
            said.append(
                f"{fault}: the median is off by {own['median']:.3f}, the best sensor by {own['best sensor']:.3f}"
            )
    return said


def table(found: dict[str, Any]) -> str:
    """Return the figures as lines of text."""
    names = ["best sensor", *map(str, Choice)]
    lines = ["error, degrees".ljust(18) + "".join(name.rjust(13) for name in names)]
    lines += [
        fault.ljust(18) + "".join(f"{own[name]:13.3f}" for name in names) for fault, own in found["errors"].items()
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabotage", choices=("mean",))
    sabotage = parser.parse_args().sabotage
    found = measure(sabotage)
    said = complaints(found)
    print(table(found), *said, sep="\n")
    if sabotage is None:
        write("fusion", {**found, "complaints": said, "met": not said}, SEED)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
