"""Learn a detector from a CSV file: what `iot-edge-anomaly fit` does."""

import re
from pathlib import Path

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.registry.artefact import TrainingFacts, digest, pack
from iot_edge_anomaly.storage.whole_file import write_whole
from iot_edge_anomaly.training.csv_files import Table, read_history

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
) -> tuple[str, TrainingFacts]:
    """Learn from every row of `path`, write the model to `out`; return its digest and what it was learned from."""
    spec = detector_spec(detector)
    table = Table(path, interval_seconds)
    history = read_history(table)
    try:
        fitted = spec.fit(
            history.rows,
            table.sensors,
            rows_per_week=WEEK_SECONDS / history.interval_seconds,
            false_alarms_per_week=false_alarms_per_week,
            starts=history.starts,
        )
    except ValueError as error:
        raise RejectedError(f"{path}: {error}") from error
    facts = TrainingFacts(
        len(history.rows),
        history.interval_seconds,
        false_alarms_per_week,
        int(history.times_ns.min()),
        int(history.times_ns.max()),
    )
    artefact = pack(fitted, facts)
    with write_whole(out) as part:
        part.write_bytes(artefact)
    return digest(artefact), facts
