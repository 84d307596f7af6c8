"""Scores of the default detector on a labelled suite, at budgets; and how the sabotage of `events` spoils them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.metrics import labelled_stretches
from iot_edge_anomaly.benchmark.suites import Split, find_series, load
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.pipeline.settings import DEFAULTS
from iot_edge_anomaly.training.fit_file import WEEK_SECONDS

DETECTOR = DEFAULTS.detector or "linear"
SEED = 21
DELAY_SECONDS = 7_200.0
SABOTAGES = ("random", "shifted")

BUDGETS_SECONDS = (100, 300, 1_000, 3_600, 14_400, 43_200, 86_400, 604_800)
"""The curve: one false alarm expected in so many seconds of normal operation."""


class Part(NamedTuple):
    """The part of a series that is scored: labels (n,) and, once scored, its scores (n,), above 1 odd."""

    name: str
    labels: NDArray[np.bool_]
    score: NDArray[np.float64]
    interval_seconds: float


def read(folder: Path, prefix: str = "") -> dict[str, Split]:
    """Read the series of one suite whose names begin with `prefix`. Raises ConfigError if there are none."""
    found = {one.name: load(one) for one in find_series(folder) if one.name.startswith(prefix)}
    if not found:
        raise ConfigError(f"{folder} holds no series {prefix}*")
    return found


def scored(splits: dict[str, Split], sabotage: str | None, block_rows: int) -> dict[int, list[Part]]:
    """Learn each series anew with each budget of the curve, and score what was not learned from."""
    by_budget = {}
    for budget in BUDGETS_SECONDS:
        parts = [_part(name, split, budget) for name, split in splits.items()]
        by_budget[budget] = spoilt(parts, sabotage, block_rows)
    return by_budget


def spoilt(parts: list[Part], sabotage: str | None, block_rows: int) -> list[Part]:
    """Return the parts as they are, or sabotaged."""
    if sabotage == "random":
        return shuffled(parts, block_rows)
    return [delayed(part) for part in parts] if sabotage == "shifted" else parts


def shuffled(parts: list[Part], block_rows: int) -> list[Part]:
    """Return the same scores in random order: blocks of so many rows, over all series."""
    scores = np.concatenate([part.score for part in parts])
    blocks = np.split(scores, range(block_rows, len(scores), block_rows))
    order = np.random.default_rng(SEED).permutation(len(blocks))
    mixed = np.concatenate([blocks[number] for number in order.tolist()])
    ends = np.cumsum([len(part.score) for part in parts])[:-1]
    return [part._replace(score=score) for part, score in zip(parts, np.split(mixed, ends), strict=True)]


def delayed(part: Part) -> Part:
    """Return scores that come two hours late, or just past the longest event where that is sooner."""
    longest = max((end + 1 - begin for begin, end in labelled_stretches(part.labels)), default=len(part.score))
    rows = min(round(DELAY_SECONDS / part.interval_seconds), longest, len(part.score))
    return part._replace(score=np.concatenate((np.zeros(rows), part.score))[: len(part.score)])


def _part(name: str, split: Split, budget_seconds: float) -> Part:
    detector = detector_spec(DETECTOR).fit(
        split.train,
        split.sensors,
        rows_per_week=WEEK_SECONDS / split.interval_seconds,
        false_alarms_per_week=WEEK_SECONDS / budget_seconds,
        starts=split.starts,
    )
    _, scores = detector.score(detector.start(), split.test)
    return Part(name, split.labels, scores.score, split.interval_seconds)
