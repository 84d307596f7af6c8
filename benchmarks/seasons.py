"""Is a machine that follows the clock watched better by one that knows the clock, and what does it cost?

    OMP_NUM_THREADS=1 python -m benchmarks.seasons [--sabotage wrong-clock]

Plants of three sensors that are busy by day and quiet at night, less on Sundays, each with loads, noise and hours of
its own; a row every ten minutes. Four weeks are learned, eight more are scored: healthy ones, and ones with a fault
that begins as such faults do, because something does not happen: in the evening the load does not fall, in the morning
it does not rise, a Sunday is like a Monday; and a sensor that is off for four hours, which no clock is needed for. A
fault lasts while the load is a third of its range away from usual. Found: the score stands above its limit in half of
the rows of the fault, and did not in the hour before anything went wrong. The same with a detector that knows no clock.

`--sabotage wrong-clock` scores with clocks that are half a day off: healthy weeks are alarms then, so it must fail.
"""

import argparse
import sys
from typing import Any, NamedTuple

import numpy as np
from benchmarks.results import write
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, Matrix, score_rows
from iot_edge_anomaly.detection import linear, seasonal
from iot_edge_anomaly.detection.season import WEEK, SeasonRule, learn_season
from iot_edge_anomaly.detection.threshold import alarms_above

SEED = 67
PLANTS = 24
LESSON_WEEKS, LATER_WEEKS = 4, 8
NS = 1_000_000_000
STEP_NS = 600 * NS
HOUR_ROWS, DAY_ROWS = 6, 144
WEEK_ROWS = 7 * DAY_ROWS
MONDAY = 1_767_571_200 * NS
SENSOR_ROWS = 24
SENSORS = ("demand", "flow", "pressure")
BUDGET = 1.0

FOUND = 0.9
"""Of the faults that only a clock tells."""

LOST = 0.05
"""So much less than without a clock may be found of what no clock is needed for."""

TOO_MANY = 2.0
"""Times the budget, in false alarms over all healthy weeks."""

FAULTS = ("busy night", "quiet day", "Sunday like a Monday", "sensor off")
FAR = 0.33
"""Of the range of the load: a fault lasts while the load is so far from usual."""

NEAR = 0.01
"""Likewise: something is wrong from the first row on that is so far from usual."""

BY_CLOCK = FAULTS[:3]


class Plant(NamedTuple):
    """How a plant runs: quiet and busy load, the hour it is busiest at, how much of it on Sundays, noise, a seed."""

    quiet: float
    steep: float
    noon: float
    sunday: float
    noise: float
    seed: int

    def load(self, time_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how busy it usually is."""
        hour = (time_ns - MONDAY) / NS / 3600.0 % 24.0
        shape = 1.0 / (1.0 + np.exp(-self.steep * np.cos(2.0 * np.pi * (hour - self.noon) / 24.0)))
        busy = self.quiet + (1.0 - self.quiet) * shape
        is_sunday = (time_ns - MONDAY) // (86_400 * NS) % 7 == 6
        return np.where(is_sunday, self.sunday * busy, busy)

    def rows(self, load: NDArray[np.float64]) -> Matrix:
        """Return rows of such a load, which wanders and is read with noise."""
        random = np.random.default_rng((SEED, self.seed, len(load)))
        wander, level = np.empty(len(load)), 0.0
        for row, step in enumerate(random.normal(size=len(load)).tolist()):
            level = 0.95 * level + self.noise * step
            wander[row] = level
        demand = load + wander
        noise = random.normal(size=(3, len(load)))
        flow = 100.0 * demand + noise[1]
        return np.stack((demand + 0.005 * noise[0], flow, 6.0 - 2.0 * demand**2 + 0.02 * noise[2]), axis=1)


class Case(NamedTuple):
    """Rows of the weeks after the lesson, from which one on something is wrong, and where it is a fault."""

    kind: str
    rows: Matrix
    begin: int = 0
    fault: slice = slice(0, 0)


def plants() -> list[Plant]:
    """Return plants that differ."""
    random = np.random.default_rng(SEED)
    return [
        Plant(
            quiet=float(random.uniform(0.1, 0.5)),
            steep=float(random.uniform(2.0, 10.0)),
            noon=float(random.uniform(10.0, 15.0)),
            sunday=float(random.uniform(0.4, 0.7)),
            noise=float(random.uniform(0.003, 0.012)),
            seed=number,
        )
        for number in range(PLANTS)
    ]


def times(weeks: int, first_week: int = 0) -> NDArray[np.int64]:
    return MONDAY + (first_week * WEEK_ROWS + np.arange(weeks * WEEK_ROWS)) * STEP_NS


def cases(plant: Plant) -> list[Case]:
    """Return healthy weeks, and weeks with each fault."""
    usual = plant.load(times(LATER_WEEKS, LESSON_WEEKS))
    noon, sixth = round(plant.noon * 6), 5 * WEEK_ROWS
    tuesday, sunday = sixth + DAY_ROWS, sixth + 6 * DAY_ROWS
    busy, quiet, like_monday = usual.copy(), usual.copy(), usual.copy()
    busy[tuesday + noon : tuesday + noon + 90] = usual[tuesday + noon]
    quiet[tuesday + noon - 72 : tuesday + noon + 36] = usual[tuesday + noon - 72]
    like_monday[sunday : sunday + DAY_ROWS] = usual[sixth : sixth + DAY_ROWS]
    found = [Case("healthy", plant.rows(usual))]
    for kind, load in zip(BY_CLOCK, (busy, quiet, like_monday), strict=True):
        off = np.abs(load - usual)
        far, begin = np.flatnonzero(off > FAR * np.ptp(usual)), int(np.flatnonzero(off > NEAR * np.ptp(usual))[0])
        found.append(Case(kind, plant.rows(load), begin, slice(int(far[0]), int(far[-1]) + 1)))
    rows, fault = plant.rows(usual), slice(sixth + 200, sixth + 200 + SENSOR_ROWS)
    rows[fault, 1] += 15.0
    return [*found, Case("sensor off", rows, fault.start, fault)]


def learned(plant: Plant, *, by_clock: bool) -> Detector:
    """Return what four weeks teach."""
    at = times(LESSON_WEEKS)
    rows = plant.rows(plant.load(at))
    if not by_clock:
        return linear.fit(rows, SENSORS, rows_per_week=WEEK_ROWS, false_alarms_per_week=BUDGET)
    season, explained = learn_season(rows, at, SeasonRule(WEEK))
    return seasonal.fit(rows - explained, SENSORS, rows_per_week=WEEK_ROWS, false_alarms_per_week=BUDGET, season=season)


def scored(detector: Detector, case: Case, clock_off_ns: int) -> NDArray[np.float64]:
    at = times(LATER_WEEKS, LESSON_WEEKS) + clock_off_ns
    return score_rows(detector, detector.start(), case.rows, at)[1].score


def is_found(score: NDArray[np.float64], case: Case) -> bool:
    """Tell whether the score stands above its limit in half of the fault, and did not before anything was wrong."""
    before = score[case.begin - HOUR_ROWS : case.begin]
    return bool((score[case.fault] > 1.0).mean() >= 0.5 and (before > 1.0).mean() < 0.5)


def measure(clock_off_ns: int = 0) -> dict[str, Any]:
    """Return what is found and what is not, with a clock and without."""
    found: dict[str, dict[str, Any]] = {}
    for by_clock in (True, False):
        counts, alarms = dict.fromkeys(FAULTS, 0), 0
        for plant in plants():
            detector = learned(plant, by_clock=by_clock)
            for case in cases(plant):
                score = scored(detector, case, clock_off_ns)
                if case.kind == "healthy":
                    alarms += alarms_above(score, 1.0)
                else:
                    counts[case.kind] += is_found(score, case)
        weeks = PLANTS * LATER_WEEKS
        found["by the clock" if by_clock else "without"] = {
            **{kind: round(count / PLANTS, 3) for kind, count in counts.items()},
            "false_alarms_per_week": round(alarms / weeks, 3),
        }
    return {"plants": PLANTS, "healthy_weeks": PLANTS * LATER_WEEKS, "budget_per_week": BUDGET, **found}


def complaints(found: dict[str, Any]) -> list[str]:
    """Return in plain words what misses a bar."""
    own, without = found["by the clock"], found["without"]
    said = [f"{kind}: {own[kind]:.0%} found; {FOUND:.0%} are the bar" for kind in BY_CLOCK if own[kind] < FOUND]
    if own["sensor off"] < without["sensor off"] - LOST:
        said.append(f"sensor off: {own['sensor off']:.0%} found, {without['sensor off']:.0%} without a clock")
    if own["false_alarms_per_week"] > TOO_MANY * BUDGET:
        said.append(f"{own['false_alarms_per_week']:.2f} false alarms a week; {TOO_MANY * BUDGET:g} are the bar")
    return said


def table(found: dict[str, Any]) -> str:
    """Return the figures as lines of text."""
    lines = [f"{'':24}{'by the clock':>14}{'without':>10}"]
    lines += [f"{kind:24}{found['by the clock'][kind]:>14.0%}{found['without'][kind]:>10.0%}" for kind in FAULTS]
    rates = [found[how]["false_alarms_per_week"] for how in ("by the clock", "without")]
    return "\n".join([*lines, f"{'false alarms a week':24}{rates[0]:>14.2f}{rates[1]:>10.2f}"])


SABOTAGE = {"wrong-clock": 12 * 3600 * NS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sabotage", choices=SABOTAGE)
    sabotage = parser.parse_args().sabotage
    found = measure(SABOTAGE.get(sabotage, 0))
    said = complaints(found)
    print(table(found), *said, sep="\n")
    if sabotage is None:
        write("seasons", {**found, "complaints": said, "met": not said}, SEED)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
