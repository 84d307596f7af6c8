"""Labelled suites on disk: a folder with `manifest.json` and one CSV a series."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.training.csv_files import Table, read_history

NOT_SENSORS = ("unit", "rul")
"""Columns of run-to-failure files that say how the run ends."""


class SeriesEntry(msgspec.Struct, frozen=True):
    """A series as the manifest has it."""

    series: str
    file: str
    rows: int
    train_rows: int
    interval_s: float | None = None


class _SuiteManifest(msgspec.Struct, frozen=True):
    name: str
    series: list[SeriesEntry]


class Series(NamedTuple):
    """Where a series and its training rows are: in the first `train_rows` of `path`, or all of `train_path`."""

    suite: str
    name: str
    path: Path
    train_rows: int
    train_path: Path | None
    interval_seconds: float | None


class Split(NamedTuple):
    """A series in memory, cut into training rows and rows to score."""

    sensors: tuple[str, ...]
    train: Matrix
    starts: NDArray[np.bool_]
    test: Matrix
    labels: NDArray[np.bool_]
    interval_seconds: float


def find_series(folder: Path) -> list[Series]:
    """Return the series of a suite, or of all suites of a folder. Raises ConfigError if there are none."""
    manifests = sorted(folder.glob("manifest.json")) or sorted(folder.glob("*/manifest.json"))
    if not manifests:
        raise ConfigError(f"{folder} holds no manifest.json, nor does a folder in it: no suite to run")
    return [series for manifest in manifests for series in _suite(manifest)]


def load(series: Series) -> Split:
    """Read a series and cut it. Raises ConfigError where the file has fewer rows than the manifest says."""
    table = Table(series.path, series.interval_seconds, NOT_SENSORS)
    history = read_history(table)
    labels = np.array([float(label or 0) for label in history.labels]) > 0
    interval = series.interval_seconds or history.interval_seconds
    if series.train_path is not None:
        other = read_history(Table(series.train_path, series.interval_seconds, NOT_SENSORS))
        return Split(table.sensors, other.rows, other.starts, history.rows, labels, interval)
    cut = series.train_rows
    if cut >= len(history.rows):
        raise ConfigError(
            f"{series.path} has {len(history.rows)} rows; its manifest takes {cut} for training: none is left to score"
        )
    return Split(table.sensors, history.rows[:cut], history.starts[:cut], history.rows[cut:], labels[cut:], interval)


def _suite(path: Path) -> list[Series]:
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_SuiteManifest)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    files = {entry.series: path.parent / entry.file for entry in manifest.series}
    return [_series(manifest.name, entry, files) for entry in manifest.series]


def _series(suite: str, entry: SeriesEntry, files: dict[str, Path]) -> Series:
    """Find the training rows: where all rows are for training, the first half; where none, the suite's own file."""
    cut, train_path = entry.train_rows, None
    if cut >= entry.rows:
        cut = entry.rows // 2
    if cut == 0:
        train_path = files.get(f"{entry.series.rpartition('_')[0]}_train") or files.get("d00_train")
        if train_path is None:
            raise ConfigError(f"series {entry.series} of suite {suite} has no training rows and no training file")
    return Series(suite, entry.series, files[entry.series], cut, train_path, entry.interval_s)
