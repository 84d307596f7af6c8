"""Rows of the past in a CSV file, for a backtest; they are learned from as `fit` learns from them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from iot_edge_anomaly.backtest.run import Past
from iot_edge_anomaly.backtest.times import Times
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.training.csv_files import GAP_INTERVALS, Table, read_history


class FilePast(NamedTuple):
    """The rows of a file in time order, how its times are written, and whether that took sorting."""

    past: Past
    times: Times
    was_sorted: bool


def read_past(path: Path, interval_seconds: float | None = None) -> FilePast:
    """Read a whole file. Raises ConfigError, RejectedError."""
    table = Table(path, interval_seconds)
    history = read_history(table)
    times_ns, rows = history.times_ns, history.rows
    was_sorted = bool((np.diff(times_ns) < 0).any())
    if was_sorted:
        order = np.argsort(times_ns, kind="stable")
        times_ns, rows = times_ns[order], rows[order]
    key = AssetKey("file", path.name.removesuffix(".gz").removesuffix(".csv") or path.name)
    past = Past(key, table.sensors, times_ns, rows, np.ones(len(times_ns), bool), GAP_INTERVALS)
    return FilePast(past, Times(table.counter_ns()), was_sorted)
