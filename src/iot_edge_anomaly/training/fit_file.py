"""Learn a detector from a CSV file: what `iot-edge-anomaly fit` does."""

import re
from pathlib import Path

import numpy as np

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.detection.by_state_model import UNTOLD
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.detection.season import SeasonRule
from iot_edge_anomaly.pipeline.judging import states_in
from iot_edge_anomaly.pipeline.operating import Operating, StateRule
from iot_edge_anomaly.pipeline.shifts import with_shift
from iot_edge_anomaly.registry.artefact import TrainingFacts, digest, pack
from iot_edge_anomaly.storage.whole_file import write_whole
from iot_edge_anomaly.training.csv_files import History, Table, read_history
from iot_edge_anomaly.training.gather import Lesson, errors_of, learned, told_by, with_state
from iot_edge_anomaly.training.remarks import remarks

WEEK_SECONDS = 7 * 86400.0
_PER_WEEK = {"hour": 168.0, "day": 7.0, "week": 1.0, "month": 12 / 52.18, "year": 1 / 52.18}


def parse_budget(text: str) -> float:
    """Read false alarms per week from `N/hour|day|week|month|year`. Raises ConfigError.

    >>> parse_budget("2/day")
    14.0
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(hour|day|week|month|year)\s*", text)
    if found is None or float(found[1]) <= 0:
        raise ConfigError(f'false alarms {text!r} must read like "1/week": a number above 0 per {", ".join(_PER_WEEK)}')
    return float(found[1]) * _PER_WEEK[found[2]]


def fit_csv(
    path: Path,
    out: Path,
    *,
    detector: str = "linear",
    false_alarms_per_week: float = 1.0,
    interval_seconds: float | None = None,
    states: StateRule | None = None,
    season: SeasonRule | None = None,
) -> tuple[str, TrainingFacts]:
    """Learn from every row of `path`, write the model to `out`; return its digest and what it was learned from.

    Where a sensor tells operating states, only rows are learned from that would be judged.
    """
    detector_spec(detector)
    table = Table(path, interval_seconds)
    sensors, history = table.sensors, read_history(table)
    if states is not None and states.shifts is not None:
        sensors, rows = with_shift(sensors, history.rows, states.shifts.at(history.times_ns))
        history = history._replace(rows=rows)
    if states is not None:
        history = _judged(history, path, sensors, states)
    lesson = Lesson(
        sensors,
        history.times_ns,
        history.rows,
        history.starts,
        WEEK_SECONDS / history.interval_seconds,
        told_by(states) if states else UNTOLD,
        season,
    )
    try:
        fitted = learned(lesson, detector, false_alarms_per_week)
    except ValueError as error:
        raise RejectedError(f"{path}: {error}") from error
    errors = errors_of(lesson, detector)
    facts = TrainingFacts(
        len(history.rows),
        history.interval_seconds,
        false_alarms_per_week,
        int(history.times_ns.min()),
        int(history.times_ns.max()),
        remarks=remarks(history.times_ns, history.rows, sensors, errors, states.sensor if states else ""),
    )
    artefact = pack(fitted, facts)
    with write_whole(out) as part:
        part.write_bytes(artefact)
    return digest(artefact), facts


def _judged(history: History, path: Path, sensors: tuple[str, ...], states: StateRule) -> History:
    """Keep the rows that are judged, each with its state. Raises ConfigError, RejectedError."""
    if states.sensor not in sensors:
        raise ConfigError(f"{path} has no column {states.sensor!r}, which is to say in which state the machine is")
    _, seen = states_in(Operating(), states, sensors, history.times_ns, history.rows)
    kept = np.flatnonzero(seen.is_judged)
    if not len(kept):
        found = ", ".join(f"{state:g}" for state in np.unique(seen.state[np.isfinite(seen.state)])[:8])
        raise RejectedError(f"{path}: no row is judged; the states in column {states.sensor!r}: {found or 'none'}")
    _, _, rows = with_state(sensors, history.times_ns, history.rows, seen.state, states.sensor)
    return history._replace(
        times_ns=history.times_ns[kept],
        rows=rows[kept],
        starts=history.starts[kept] | (np.diff(kept, prepend=-1) > 1),
    )
