"""Faults put into known sensors of what the detector never saw, and whether its contributions name the sensor."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from benchmarks.demo_plant import never, rows_of
from benchmarks.injections import FAULTS, LASTS_A_ROW, Place, put
from benchmarks.labelled_data import DETECTOR, all_series, learn
from benchmarks.naming import Scale, chance, is_named, learn_scale, ranking
from benchmarks.quiet_time import quiet_rows
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.suites import load
from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.demo.sensors import PUMPS, SENSORS
from iot_edge_anomaly.demo.settings import LINE, SECONDS_PER_ROW, TENANT, demo_rules
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.pipeline.settings import settings_for
from iot_edge_anomaly.training.fit_file import WEEK_SECONDS

RUN_UP_ROWS = 100
"""Rows before the fault, which the detector sees first: as long as its slowest average remembers."""

FAULT_ROWS = 60
GRACE_ROWS = 100
LEAST_SENSORS = 8
"""Of fewer moving sensors three are named rightly by chance too often."""

PLANT_ROWS = 4_000
PLANT_SEEDS = (7, 1, 2)
TRIES = 50
"""Places that are drawn until a fault moves its sensor enough."""


class Ground(NamedTuple):
    """Where faults are put in: rows that follow the training rows, and the rows at which a fault may begin."""

    place: str
    group: str
    detector: Detector
    scale: Scale
    rows: Matrix
    begins: NDArray[np.intp]


class Drawn(NamedTuple):
    """Rows with a fault (run-up, fault), in deviations from the training mean, and the sensors that are at fault."""

    standard: Matrix
    right: frozenset[int]


class Case(NamedTuple):
    """One fault: is the right sensor named, and by z-scores; is there an alarm row; how probable chance is."""

    place: str
    group: str
    kind: str
    is_named: bool
    by_zscores: bool
    has_alarm: bool
    chance: float


def begins_in(quiet: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the rows at which a fault may begin: all rows of its run-up, and of the fault itself, are quiet.

    >>> begins_in(np.ones(161, bool)).tolist()
    [100, 101]
    """
    length = RUN_UP_ROWS + FAULT_ROWS
    if len(quiet) < length:
        return np.zeros(0, np.intp)
    return np.flatnonzero(np.lib.stride_tricks.sliding_window_view(quiet, length).all(axis=1)) + RUN_UP_ROWS


def of_suites() -> Iterator[Ground]:
    """Yield the series of all suites that have moving sensors enough, and a quiet stretch that is long enough."""
    for series in all_series():
        split = load(series)
        scale, begins = learn_scale(split.train), begins_in(quiet_rows(split.labels, GRACE_ROWS))
        if scale.moves.sum() >= LEAST_SENSORS and len(begins):
            yield Ground("suites", series.suite, learn(split), scale, split.test, begins)


def of_plant() -> Iterator[Ground]:
    """Yield the pumps of the demo's station, learned as the demo does, running without a fault."""
    for seed in PLANT_SEEDS:
        for asset in PUMPS:
            settings = settings_for(AssetKey(TENANT, str(LINE / asset)), demo_rules())
            learned, budget = settings.learn_rows or 0, settings.false_alarms_per_week or 1.0
            rows = rows_of(asset, seed, learned + PLANT_ROWS, never)
            detector = DETECTORS[DETECTOR].fit(
                rows[:learned],
                tuple(sensor.name for sensor in SENSORS[asset]),
                rows_per_week=WEEK_SECONDS / SECONDS_PER_ROW,
                false_alarms_per_week=budget,
            )
            begins = begins_in(np.ones(PLANT_ROWS, bool))
            yield Ground("plant", asset, detector, learn_scale(rows[:learned]), rows[learned:], begins)


def draw(ground: Ground, kind: str, random: np.random.Generator) -> Drawn | None:
    """Put one fault in at a place drawn by chance; None where no place drawn moves its sensor enough."""
    sensors = np.flatnonzero(ground.scale.moves)
    for _ in range(TRIES):
        begin = int(random.choice(ground.begins))
        sensor, other = random.choice(sensors, 2, replace=False).tolist()
        rows = ground.rows[begin - RUN_UP_ROWS : begin + FAULT_ROWS]
        standard = (rows - ground.scale.mean) / ground.scale.deviation
        changed = put(kind, standard, Place(RUN_UP_ROWS, sensor, other), random)
        if changed is not None:
            return Drawn(changed, frozenset((sensor, other) if kind == "swap" else (sensor,)))
    return None


def in_units(ground: Ground, drawn: Drawn) -> Matrix:
    """Return rows as the sensors read them."""
    return np.asarray(drawn.standard * ground.scale.deviation + ground.scale.mean)


def put_in(
    ground: Ground, kind: str, random: np.random.Generator, change: Callable[[Matrix], Matrix] = np.asarray
) -> Case | None:
    """Put one fault in at a place drawn by chance, and judge; None where no place drawn moves its sensor enough."""
    drawn = draw(ground, kind, random)
    return None if drawn is None else _judge(ground, kind, drawn, change)


def _judge(ground: Ground, kind: str, drawn: Drawn, change: Callable[[Matrix], Matrix]) -> Case:
    rows, (standard, right) = in_units(ground, drawn), drawn
    _, scores = ground.detector.score(ground.detector.start(), rows)
    fault = slice(RUN_UP_ROWS, RUN_UP_ROWS + 1 if kind in LASTS_A_ROW else len(rows))
    return Case(
        ground.place,
        ground.group,
        kind,
        is_named(ranking(change(scores.contribution[fault])), right),
        is_named(ranking(np.abs(standard[fault])), right),
        bool((scores.score[fault] > 1.0).any()),
        chance(int(ground.scale.moves.sum()), len(right)),
    )


def judge_all(
    grounds: list[Ground], a_group: int, seed: int, change: Callable[[Matrix], Matrix] = np.asarray
) -> list[Case]:
    """Put so many faults of each kind into each group, its grounds in turn; deterministic."""
    groups: dict[tuple[str, str], list[Ground]] = {}
    for ground in grounds:
        groups.setdefault((ground.place, ground.group), []).append(ground)
    cases = []
    for number, own in enumerate(groups.values()):
        for kind_number, kind in enumerate(FAULTS):
            random = np.random.default_rng((seed, number, kind_number))
            cases += [put_in(own[turn % len(own)], kind, random, change) for turn in range(a_group)]
    return [case for case in cases if case is not None]
