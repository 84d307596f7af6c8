"""What faults in the training rows cost: ranking after a clean lesson and after one of which 5 % are faults.

    OMP_NUM_THREADS=1 python -m benchmarks.dirty_lessons
    OMP_NUM_THREADS=1 python -m benchmarks.dirty_lessons --sabotage half      # half of the rows are faults: must fail

Into the training rows of each series of five suites come faults of 20 rows, of all kinds and in sensors drawn by chance
(`injections`), until they are 5 % of the rows; sizes are those of the other benchmarks. The bar is on the mean of suite
means of VUS-PR: it moves by less than 5 % of itself.
"""

import argparse
import sys
from typing import Any

import numpy as np
from benchmarks.injections import FAULTS, Place
from benchmarks.labelled_data import all_series, learn
from benchmarks.results import write

from iot_edge_anomaly.benchmark.baselines import without_holes
from iot_edge_anomaly.benchmark.metrics import period, vus_pr
from iot_edge_anomaly.benchmark.suites import Split, load
from iot_edge_anomaly.component.detector import Matrix

SEED = 7
SUITES = ("asd", "jumpstarter_d2", "msl", "skab", "smd")
SHARE, HALF = 0.05, 0.5
FAULT_ROWS = 20
BAR_MOVED = 0.05
STILL = 1e-9


def spoilt(rows: Matrix, share: float, random: np.random.Generator) -> Matrix:
    """Return rows (n, k) of which such a share lies in faults, each in one sensor that moves, or in two swapped."""
    mean, deviation = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    moving = np.flatnonzero(deviation > STILL)
    unit = np.where(deviation > STILL, deviation, 1.0)
    standard = (rows - mean) / unit
    kinds = list(FAULTS.values())
    for _ in range(round(share * len(rows) / FAULT_ROWS)):
        begin = int(random.integers(1, len(rows) - FAULT_ROWS))
        sensor, other = random.choice(moving, 2).tolist()
        stretch = slice(begin - 1, begin + FAULT_ROWS)
        fault = kinds[int(random.integers(len(kinds)))]
        standard[stretch] = fault(standard[stretch], Place(1, sensor, other), random)
    return np.asarray(standard * unit + mean, np.float64)


def ranking(split: Split, width: int) -> float:
    """Return VUS-PR of the default detector after the lesson of this split."""
    detector = learn(split)
    return vus_pr(split.labels, detector.score(detector.start(), split.test)[1].score, width)


def measure(share: float) -> dict[str, Any]:
    """Return clean and dirty VUS-PR by suite, and by how much the mean moves."""
    found: dict[str, list[tuple[float, float]]] = {}
    for number, series in enumerate(all_series()):
        if series.suite not in SUITES:
            continue
        split = load(series)
        if split.labels.any():
            first = without_holes(np.concatenate((split.train[:, :1], split.test[:, :1])))[:, 0]
            dirty = split._replace(train=spoilt(split.train, share, np.random.default_rng((SEED, number))))
            width = period(first)
            found.setdefault(series.suite, []).append((ranking(split, width), ranking(dirty, width)))
    suites = {suite: dict(zip(("clean", "dirty"), np.mean(pairs, axis=0).round(4).tolist(), strict=True))
              for suite, pairs in found.items()}  # fmt: skip
    clean, dirty = (float(np.mean([one[kind] for one in suites.values()])) for kind in ("clean", "dirty"))
    return {"share": share, "suites": suites, "clean": clean, "dirty": dirty, "moved": round(dirty / clean - 1.0, 4)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabotage", choices=("half",))
    sabotage = parser.parse_args().sabotage
    figures = measure(HALF if sabotage else SHARE)
    for suite, one in figures["suites"].items():
        print(f"{suite:<15} clean {one['clean']:.3f}   dirty {one['dirty']:.3f}")
    print(f"mean of suites  clean {figures['clean']:.3f}   dirty {figures['dirty']:.3f}   {figures['moved']:+.1%}")
    is_met = abs(figures["moved"]) < BAR_MOVED
    if not sabotage:
        write("dirty_lessons", {**figures, "bar": BAR_MOVED, "met": is_met}, seed=SEED)
    if not is_met:
        print(
            f"faults in the lesson move VUS-PR by {figures['moved']:+.1%}; {BAR_MOVED:.0%} are the bar", file=sys.stderr
        )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
