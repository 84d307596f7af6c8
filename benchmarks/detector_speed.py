"""How fast the default detector is, alone: scored and explained, on one core.

    OMP_NUM_THREADS=1 python -m benchmarks.detector_speed
    OMP_NUM_THREADS=1 python -m benchmarks.detector_speed --sabotage work-twenty-times      # must fail

Batches of 64 rows, and single rows, of a plant made here: sensors that follow a few slow causes. Each figure is the
best of some repetitions; single rows are told by their 99th percentile. On asd (labelled data) rows a second beside
River's half-space trees, which take one row after the other (extra `bench`; left out where it is not installed).

Bars: 500,000 values a second at 50 sensors in batches; 1 ms for a row of 50 sensors; 3 times the trees.
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from benchmarks.labelled_data import all_series, learn
from benchmarks.results import write

from iot_edge_anomaly.benchmark.baselines import standardised
from iot_edge_anomaly.benchmark.peers import PEERS, prepare
from iot_edge_anomaly.benchmark.suites import load
from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.pipeline.settings import DEFAULTS

SEED = 0
SENSORS = (1, 10, 50)
LEARNED_ROWS, ROWS, BATCH_ROWS = 4_500, 6_016, 64
REPETITIONS = 5
SUITE, PEER = "asd", "river-hst"
BAR_VALUES, BAR_P99_MS, BAR_TIMES = 500_000.0, 1.0, 3.0
TWENTY = 20


def plant(sensors: int) -> Matrix:
    """Return rows to learn from and to score, one after the other."""
    random = np.random.default_rng((SEED, sensors))
    causes = np.cumsum(random.normal(size=(LEARNED_ROWS + ROWS, 3)), axis=0) * 0.05
    return causes @ random.normal(size=(3, sensors)) + random.normal(size=(LEARNED_ROWS + ROWS, sensors))


def in_batches(detector: Detector, rows: Matrix, times: int) -> None:
    """Score rows batch by batch; the work of each batch is done so many times."""
    state = detector.start()
    for begin in range(0, len(rows), BATCH_ROWS):
        for _ in range(times):
            after, _ = detector.score(state, rows[begin : begin + BATCH_ROWS])
        state = after


def best_seconds(work: Callable[[], None]) -> float:
    """Return the shortest of some repetitions."""
    return min(_seconds(work) for _ in range(REPETITIONS))


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def row_p99_ms(detector: Detector, rows: Matrix, times: int) -> float:
    """Return the 99th percentile of scoring one row."""
    state, taken = detector.start(), []
    for row in range(len(rows)):
        began = time.perf_counter()
        for _ in range(times):
            after, _ = detector.score(state, rows[row : row + 1])
        taken.append(time.perf_counter() - began)
        state = after
    return float(np.quantile(taken, 0.99)) * 1e3


def of_plants(times: int) -> dict[str, dict[str, float]]:
    """Return fit seconds, values a second, and the time of a row, by number of sensors."""
    found = {}
    for sensors in SENSORS:
        rows, names = plant(sensors), tuple(f"s{number}" for number in range(sensors))
        began = time.perf_counter()
        detector = DETECTORS[DEFAULTS.detector or "linear"].fit(
            rows[:LEARNED_ROWS], names, rows_per_week=604_800.0, false_alarms_per_week=1.0
        )
        fit_seconds = time.perf_counter() - began
        later = rows[LEARNED_ROWS:]
        seconds = best_seconds(lambda d=detector, r=later: in_batches(d, r, times))  # type: ignore[misc]
        found[str(sensors)] = {
            "fit_seconds": round(fit_seconds, 3),
            "values_per_second": round(later.size / seconds),
            "microseconds_a_row": round(seconds / len(later) * 1e6, 2),
            "row_p99_ms": round(row_p99_ms(detector, later, times), 3),
        }
    return found


def beside_trees(times: int) -> dict[str, Any]:
    """Return rows a second on asd, ours in batches and the trees', or why there is no figure."""
    if find_spec("river") is None:
        return {"not_measured": "the extra `bench` is not installed"}
    prepare(PEER)
    ours, theirs, rows = 0.0, 0.0, 0
    for series in all_series():
        if series.suite != SUITE:
            continue
        split = load(series)
        detector = learn(split)
        train, test = standardised(split.train, split.test)
        fitted = PEERS[PEER].fit(train)
        ours += best_seconds(lambda d=detector, r=split.test: in_batches(d, r, times))  # type: ignore[misc]
        theirs += _seconds(lambda f=fitted, t=test: f.score(t))  # type: ignore[misc]
        rows += len(test)
    return {"rows_per_second": round(rows / ours), "trees": round(rows / theirs), "times": round(theirs / ours, 2)}


def complaints(plants: dict[str, dict[str, float]], trees: dict[str, Any]) -> list[str]:
    """Return what is not met."""
    widest = plants[str(max(SENSORS))]
    found = []
    if widest["values_per_second"] < BAR_VALUES:
        found.append(f"{widest['values_per_second']:,.0f} values a second, {BAR_VALUES:,.0f} are the bar")
    if widest["row_p99_ms"] > BAR_P99_MS:
        found.append(f"a row takes {widest['row_p99_ms']:g} ms (p99), {BAR_P99_MS:g} are the bar")
    if "times" in trees and trees["times"] < BAR_TIMES:
        found.append(f"{trees['times']:g} times the rows a second of {PEER}, {BAR_TIMES:g} are the bar")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabotage", choices=("work-twenty-times",))
    sabotage = parser.parse_args().sabotage
    times = TWENTY if sabotage else 1
    plants, trees = of_plants(times), beside_trees(times)
    said = complaints(plants, trees)
    for sensors, one in plants.items():
        print(f"{sensors:>4} sensors: {one}")
    print(f"on {SUITE}: {trees}")
    print("\n".join(said), file=sys.stderr)
    if not sabotage:
        bars = {"values_per_second": BAR_VALUES, "row_p99_ms": BAR_P99_MS, "times_the_trees": BAR_TIMES}
        write("detector_speed", {"plants": plants, "trees": trees, "bars": bars, "complaints": said}, seed=SEED)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
