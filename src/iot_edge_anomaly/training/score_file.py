"""Score a CSV file: what `iot-edge-anomaly score` does. One row out per row in, in order, in bounded memory."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, Matrix, Scores, score_rows
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.outcomes import RowQuality
from iot_edge_anomaly.detection.inside import knows_states
from iot_edge_anomaly.pipeline.judging import shown_to, states_in
from iot_edge_anomaly.pipeline.operating import Operating, StateRule
from iot_edge_anomaly.pipeline.shifts import Shifts
from iot_edge_anomaly.registry.artefact import read_manifest, unpack
from iot_edge_anomaly.storage.whole_file import write_whole
from iot_edge_anomaly.training.csv_files import Chunk, Table

NS = 1_000_000_000
Progress = Callable[[int], None]
"""Told how many rows are done."""


class Summary(NamedTuple):
    """How a file was scored."""

    rows: int
    anomalous_rows: int
    unscored_rows: int


def score_csv(
    data: Path, model: Path, out: Path, *, interval_seconds: float | None = None, progress: Progress = lambda _: None
) -> Summary:
    """Score every row of `data` with the model file, write the scores to `out`."""
    try:
        artefact = model.read_bytes()
    except OSError as error:
        raise ConfigError(f"{model} cannot be read: {error.strerror or error}") from error
    detector, facts = unpack(artefact), read_manifest(artefact).facts
    table = Table(data, interval_seconds)
    rows = anomalous = unscored = 0
    with write_whole(out) as part, part.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(score_header(detector.sensors))
        for chunk, scores, is_judged in _scored(detector, table):
            writer.writerows(score_lines(chunk.timestamps, chunk.rows, scores, facts.false_alarms_per_week))
            rows += len(chunk.rows)
            anomalous += int((scores.score > 1).sum())
            unscored += int((~(np.isfinite(chunk.rows).any(axis=1) & is_judged)).sum())
            progress(rows)
    return Summary(rows, anomalous, unscored)


def row_qualities(rows: Matrix) -> NDArray[np.str_]:
    """Say what each row stands on: all values, some, none at all, or none that is finite."""
    finite, missing = np.isfinite(rows), np.isnan(rows)
    return np.select(
        [finite.all(axis=1), finite.any(axis=1), missing.all(axis=1)],
        [RowQuality.GOOD.value, RowQuality.CORRECTED.value, RowQuality.MISSING.value],
        RowQuality.REJECTED.value,
    )


def _scored(detector: Detector, table: Table) -> Iterator[tuple[Chunk, Scores, NDArray[np.bool_]]]:
    """Score chunk by chunk; say of each row whether it is judged: a model that knows states judges those it learned."""
    state, operating, states = detector.start(), Operating(), _states(detector)
    for chunk in _chunks(detector, table, states):
        operating, seen = states_in(operating, states, detector.sensors, chunk.times_ns, chunk.rows)
        shown = shown_to(detector, states, detector.sensors, chunk.rows, seen)
        state, scores = score_rows(detector, state, shown, chunk.times_ns)
        yield chunk, scores, seen.is_judged


def _chunks(detector: Detector, table: Table, states: StateRule | None) -> Iterator[Chunk]:
    """Yield rows with a column for each sensor of the model; that of a calendar of shifts is in no file."""
    if states is None or states.shifts is None:
        yield from table.chunks(detector.sensors)
        return
    column = detector.sensors.index(states.sensor)
    for chunk in table.chunks([sensor for sensor in detector.sensors if sensor != states.sensor]):
        yield chunk._replace(rows=np.insert(chunk.rows, column, states.shifts.at(chunk.times_ns), axis=1))


def _states(detector: Detector) -> StateRule | None:
    known = knows_states(detector)
    if known is None:
        return None
    told = known.declared
    shifts = Shifts(told.shifts, told.zone) if told.shifts else None
    return StateRule(told.sensor, tuple(known.learned), round(told.settle_seconds * NS), shifts)


def score_header(sensors: tuple[str, ...]) -> list[str]:
    """Return the columns of a file of scores."""
    fixed = ["timestamp", "score", "anomaly", "quality", "expected_false_alarms_per_week"]
    return fixed + [f"contribution.{sensor}" for sensor in sensors]


def score_lines(timestamps: Sequence[str], rows: Matrix, scores: Scores, budget: float) -> Iterator[list[object]]:
    """Yield the cells of each row of a file of scores."""
    shown = [[f"{part:.6g}" for part in parts] for parts in scores.contribution.tolist()]
    qualities = row_qualities(rows).tolist()
    for stamp, score, quality, parts in zip(timestamps, scores.score.tolist(), qualities, shown, strict=True):
        yield [stamp, repr(score), int(score > 1), quality, budget, *parts]
