"""What the drift watch finds and how soon, and what it tells of plants that stay as they are.

    OMP_NUM_THREADS=1 python -m benchmarks.drift [--plants 20] [--sabotage blind|jumpy]

Each plant is learned from as the trainer does and then followed row by row by the detector that ships. Nothing changes
in the first part of what follows: every drift told there is false. Then one sensor changes: its level steps or creeps,
its spread doubles, or its tie to the other sensors loosens, which only the errors of the model show. Errors so large
that an alarm stands in most rows are told by that alarm.

`--sabotage blind` watches nothing, `--sabotage jumpy` with limits a tenth as wide: both must fail, and nothing is
written.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from benchmarks.results import write

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.drift import BLOCK, Drift, Watch, Yardstick, follow
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.detection.usual import Usual, learn
from iot_edge_anomaly.training.held_out import held_out_errors

SEED = 34
PLANTS = 20
LEARNED_ROWS = (600, 2_000)
CALM_ROWS = 20_000
CHANGED_ROWS = 12_000
RAMP_ROWS = 10_000
ROWS_PER_HOUR = 60
"""A row a minute: 1,000 hours are 60,000 rows."""

MOST_FALSE_A_1000_HOURS = 1.0
"""Decided before looking: an asset may drift once in 1,000 hours of rows although nothing changed, on average.

A walk that takes longer from wall to wall than its lesson goes where its model has never been: shown, with no bar.
"""

LEAST_FOUND = 0.9
"""Decided before looking: of the changes in plants that are no slower than their lesson so many are found in time."""

LEAST_NAMED = 0.9
"""... and the sensor that changed is the first that is named."""

MOSTLY = 0.5
"""A change that drives the score beyond 1 in most of its rows is told by an alarm."""

MOST_ROWS = {"step": 1_024, "ramp": RAMP_ROWS, "spread": 2_048, "loose": 4_096}
"""Decided before looking: what is not told within so many rows of its beginning is not found."""

SENSORS = 5
BURN_IN = 3_000


def _inert(rows: int, random: np.random.Generator, inertia: float, sensors: int = SENSORS) -> Matrix:
    noise = random.normal(size=(rows + BURN_IN, sensors))
    for row in range(1, len(noise)):
        noise[row] += inertia * noise[row - 1]
    return noise[BURN_IN:] * np.sqrt(1.0 - inertia**2)


def white(rows: int, random: np.random.Generator) -> Matrix:
    """Independent noise."""
    return random.normal(size=(rows, SENSORS))


def inert(rows: int, random: np.random.Generator) -> Matrix:
    """AR(1) .9: ten rows to forget."""
    return _inert(rows, random, 0.9)


def very_inert(rows: int, random: np.random.Generator) -> Matrix:
    """AR(1) .99: a hundred rows to forget."""
    return _inert(rows, random, 0.99)


def machine(rows: int, random: np.random.Generator) -> Matrix:
    """Sensors that follow two causes, and their own noise."""
    mixing = np.random.default_rng(5).normal(size=(2, SENSORS)) + 0.5
    return _inert(rows, random, 0.95, 2) @ mixing + 0.3 * random.normal(size=(rows, SENSORS))


def seasonal(rows: int, random: np.random.Generator) -> Matrix:
    """A swing every four hours, each sensor at its own phase, and noise."""
    phase = random.uniform(0, 2 * np.pi, SENSORS)
    return np.sin(2 * np.pi * np.arange(rows)[:, None] / 240 + phase) + 0.2 * random.normal(size=(rows, SENSORS))


def daily(rows: int, random: np.random.Generator) -> Matrix:
    """A swing every day, longer than the short lesson and most of the long one."""
    phase = random.uniform(0, 2 * np.pi, SENSORS)
    return np.sin(2 * np.pi * np.arange(rows)[:, None] / 1_440 + phase) + 0.2 * random.normal(size=(rows, SENSORS))


def switched(rows: int, random: np.random.Generator) -> Matrix:
    """Two pumps that start and stop at random, a flow and a pressure that follow, a motor's warmth that lags."""
    on = np.cumsum(random.random((rows + BURN_IN, 2)) < 1 / 40, axis=0) % 2
    flow, warmth = on.sum(axis=1) * 10.0, np.zeros(len(on))
    for row in range(1, len(on)):
        warmth[row] = 0.97 * warmth[row - 1] + 0.03 * flow[row]
    columns = np.stack((flow, 2.0 + 0.1 * flow, on[:, 0] * 3.0, on[:, 1] * 3.0, 20.0 + warmth), axis=1)
    return (columns + random.normal(size=columns.shape) * np.array([0.3, 0.05, 0.1, 0.1, 0.2]))[BURN_IN:]


def walk(rows: int, random: np.random.Generator) -> Matrix:
    """Random walks between two walls."""
    walked = np.cumsum(random.normal(size=(rows, SENSORS)), axis=0) + random.uniform(0, 160, SENSORS)
    return np.abs((walked + 80.0) % 320.0 - 160.0) / 40.0


KINDS: dict[str, Callable[[int, np.random.Generator], Matrix]] = {
    "white": white,
    "inert": inert,
    "very_inert": very_inert,
    "machine": machine,
    "seasonal": seasonal,
    "daily": daily,
    "switched": switched,
    "walk": walk,
}
PLAIN = ("white", "inert", "machine", "seasonal", "switched")
"""Plants of which a lesson of either length has seen what there is: here changes must be found."""


def stepped(rows: Matrix, sensor: int, lesson: Matrix, _noise: Matrix) -> None:
    """Shift the level by one and a half of the range that it had in the lesson."""
    rows[:, sensor] += 1.5 * np.ptp(lesson[:, sensor])


def ramped(rows: Matrix, sensor: int, lesson: Matrix, _noise: Matrix) -> None:
    """Let the level creep as far."""
    rows[:, sensor] += 1.5 * np.ptp(lesson[:, sensor]) * np.minimum(np.arange(len(rows)) / RAMP_ROWS, 1.0)


def spread(rows: Matrix, sensor: int, lesson: Matrix, _noise: Matrix) -> None:
    """Double all deviations from the level."""
    centre = lesson[:, sensor].mean()
    rows[:, sensor] = centre + 2.0 * (rows[:, sensor] - centre)


def loosened(rows: Matrix, sensor: int, _lesson: Matrix, noise: Matrix) -> None:
    """Add noise that makes the errors of the sensor's model two and a half times as large, if they are Gaussian."""
    rows[:, sensor] += noise[:, sensor]


LOOSENED = 2.5
NOISE_A_MEAN_ERROR = np.sqrt(np.pi / 2 * (LOOSENED**2 - 1.0))
"""Deviation of the noise in mean absolute errors. A first definition, half the sensor's deviation, was given up after a
look: of a machine it makes errors 1.6 times as large, 40 to 60 % of which were found; no such promise is made."""

CHANGES = {"step": stepped, "ramp": ramped, "spread": spread, "loose": loosened}
MUST_FIND = {
    "step": PLAIN,
    "ramp": PLAIN,
    "spread": ("white", "inert", "machine"),
    "loose": ("white", "inert", "machine", "seasonal"),
}
"""Of switched and seasonal plants a doubled swing is a moved level, and errors come in bursts: shown, with no bar."""


class Told(NamedTuple):
    """What was told of one plant: false drifts in the calm part, and for each change rows until told and if named."""

    false: int
    found: dict[str, tuple[int, bool] | None]
    alarms: dict[str, bool]


class _Lesson(NamedTuple):
    detector: Any
    yardstick: Yardstick
    mean_error: np.ndarray


def _learned(rows: Matrix, sabotage: str) -> _Lesson:
    names, starts = tuple(f"s{column}" for column in range(rows.shape[1])), np.arange(len(rows)) == 0
    detector = fit(rows, names, rows_per_week=ROWS_PER_HOUR * 168, false_alarms_per_week=1.0, starts=starts)
    errors = held_out_errors(fit, rows, names, ROWS_PER_HOUR * 168, starts)
    usual = learn(rows, errors)
    if sabotage == "blind":
        usual = usual._replace(margin=np.full_like(usual.margin, np.inf))
    elif sabotage == "jumpy":
        low, high = (usual.mean + (bound - usual.mean) / 10 for bound in (usual.low, usual.high))
        usual = Usual(low, high, usual.margin / 10, usual.mean)
    return _Lesson(detector, Yardstick(usual), np.nanmean(errors, axis=0))


def _drifts(lesson: _Lesson, rows: Matrix) -> tuple[list[Drift], np.ndarray]:
    _, scores = lesson.detector.score(lesson.detector.start(), rows)
    errors = np.where((scores.score <= 1.0)[:, None], np.abs(rows - scores.expected), np.nan)
    _, drifts = follow(lesson.yardstick, Watch.begin(rows.shape[1]), np.arange(len(rows)), rows, errors)
    return [drift for drift in drifts if drift.evidence], scores.score > 1.0


def told(kind: str, learned: int, number: int, sabotage: str = "") -> Told:
    random = np.random.default_rng((SEED, list(KINDS).index(kind), learned, number))
    rows = KINDS[kind](learned + CALM_ROWS + CHANGED_ROWS, random)
    lesson = _learned(rows[:learned], sabotage)
    calm, before = rows[learned : learned + CALM_ROWS], 20 * BLOCK
    found: dict[str, tuple[int, bool] | None] = {}
    alarms: dict[str, bool] = {}
    for name, change in CHANGES.items():
        part = rows[learned + CALM_ROWS - before :].copy()
        sensor = number % SENSORS
        noise = random.normal(size=part[before:].shape) * NOISE_A_MEAN_ERROR * lesson.mean_error
        change(part[before:], sensor, rows[:learned], noise)
        drifts, alarmed = _drifts(lesson, part)
        alarms[name] = bool(alarmed[before : before + MOST_ROWS[name]].mean() > MOSTLY)
        after = [drift for drift in drifts if drift.time_ns >= before]
        soon = [drift for drift in after if drift.time_ns < before + MOST_ROWS[name]]
        found[name] = (soon[0].time_ns - before + 1, soon[0].evidence[0].sensor == sensor) if soon else None
    return Told(len(_drifts(lesson, calm)[0]), found, alarms)


def figures_of(kind: str, learned: int, plants: int, sabotage: str) -> dict[str, Any]:
    each = [told(kind, learned, number, sabotage) for number in range(plants)]
    hours = plants * CALM_ROWS / ROWS_PER_HOUR
    changes = {}
    for name in CHANGES:
        found = [one.found[name] for one in each]
        hits = [hit for hit in found if hit is not None]
        changes[name] = {
            "found": round(len(hits) / plants, 3),
            "alarms_alone": round(sum(one.alarms[name] and one.found[name] is None for one in each) / plants, 3),
            "median_rows": round(float(np.median([rows for rows, _ in hits]))) if hits else None,
            "named_first": round(float(np.mean([named for _, named in hits])), 3) if hits else None,
        }
    false = sum(one.false for one in each)
    return {"false": false, "false_a_1000_hours": round(1_000 * false / hours, 3), "changes": changes}


def complaints(table: dict[str, dict[str, Any]]) -> list[str]:
    """Return which bars are missed, in words."""
    missed = []
    for kind, by_length in table.items():
        for length, found in by_length.items():
            where = f"{kind}, {length} rows learned"
            if kind != "walk" and found["false_a_1000_hours"] > MOST_FALSE_A_1000_HOURS:
                missed.append(f"{where}: {found['false_a_1000_hours']:g} false drifts in 1,000 hours")
            for name, change in found["changes"].items():
                told = change["found"] + change["alarms_alone"]
                if kind in MUST_FIND[name] and told < LEAST_FOUND:
                    missed.append(f"{where}: {told:.0%} of {name} changes told")
                if kind in MUST_FIND[name] and (change["named_first"] or 0.0) < LEAST_NAMED:
                    missed.append(f"{where}: the sensor named first in {change['named_first'] or 0.0:.0%} of {name}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plants", type=int, default=PLANTS)
    parser.add_argument("--sabotage", choices=("blind", "jumpy"), default="")
    options = parser.parse_args()
    table: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        for learned in LEARNED_ROWS:
            found = figures_of(kind, learned, options.plants, options.sabotage)
            print(kind, learned, found, flush=True)
            table.setdefault(kind, {})[str(learned)] = found
    missed = complaints(table)
    for complaint in missed:
        print("NOT MET:", complaint)
    if not options.sabotage:
        bars = {
            "most_false_a_1000_hours": MOST_FALSE_A_1000_HOURS,
            "least_found": LEAST_FOUND,
            "least_named_first": LEAST_NAMED,
            "most_rows": MOST_ROWS,
            "must_find": {name: list(kinds) for name, kinds in MUST_FIND.items()},
        }
        figures = {
            "plants": options.plants,
            "rows_an_hour": ROWS_PER_HOUR,
            "calm_hours_a_plant": round(CALM_ROWS / ROWS_PER_HOUR),
            "bars": bars,
            "complaints": missed,
            "told": table,
        }
        write("drift", figures, seed=SEED)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
