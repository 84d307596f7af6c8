"""Labelled suites for the benchmarks of promises: where they are, and the default detector learned from a series."""

import os
from pathlib import Path

from benchmarks.results import ROOT

from iot_edge_anomaly.benchmark.suites import Series, Split, find_series
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.pipeline.settings import DEFAULTS
from iot_edge_anomaly.training.fit_file import WEEK_SECONDS

DETECTOR = DEFAULTS.detector or "linear"
SEPARATE_RUNS = ("cmapss",)
"""Suites whose files are many short runs one after the other, each to its end: none has a normal time of its own."""


def data_folder() -> Path:
    """Return the folder of suites: `$IOT_EDGE_ANOMALY_DATA`, else `shared/data` beside the project.

    Ends the program, saying so, where there is no such folder.
    """
    folder = Path(os.environ.get("IOT_EDGE_ANOMALY_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(f"no labelled data at {folder}: set IOT_EDGE_ANOMALY_DATA to its folder")
    return folder


def all_series() -> list[Series]:
    """Return the series of all suites but those of separate runs. Raises ConfigError where there are none."""
    return [series for series in find_series(data_folder()) if series.suite not in SEPARATE_RUNS]


def learn(split: Split, rows_a_false_alarm: float | None = None) -> Detector:
    """Fit the default detector on the training rows; without a budget of its own with the default one."""
    rows_per_week = WEEK_SECONDS / split.interval_seconds
    budget = rows_per_week / rows_a_false_alarm if rows_a_false_alarm else DEFAULTS.false_alarms_per_week or 1.0
    return DETECTORS[DETECTOR].fit(
        split.train, split.sensors, rows_per_week=rows_per_week, false_alarms_per_week=budget, starts=split.starts
    )
