"""The benchmark: on a suite made here, and a short run on one file of each labelled suite where they are."""

import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.training.benchmark import Report, run_benchmark, run_series
from iot_edge_anomaly.training.benchmark_report import format_report, write_report
from iot_edge_anomaly.training.suites import Series, find_series, load

DATA = Path(os.environ.get("IOT_EDGE_ANOMALY_DATA", Path(__file__).parents[3] / "shared" / "data"))
METHODS = ("linear", "moving-zscore")


def write_series(path: Path, rows: int, seed: int, fault_from: int | None = None) -> None:
    random = np.random.default_rng(seed)
    base = np.sin(np.arange(rows) / 9) + 0.1 * random.normal(size=rows)
    other = 2 * base + 0.1 * random.normal(size=rows)
    labels = np.zeros(rows, int)
    if fault_from is not None:
        labels[fault_from : fault_from + 40] = 1
        other[fault_from : fault_from + 40] -= 1.5
    lines = [f"{row},{base[row]:.5f},{other[row]:.5f},7,{rows - row},{labels[row]}" for row in range(rows)]
    path.write_text("timestamp,a,b,unit,rul,label\n" + "\n".join(lines) + "\n")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suites" / "made"
    folder.mkdir(parents=True)
    write_series(folder / "x_train.csv", 300, 1)
    write_series(folder / "x_test.csv", 300, 2, 200)
    write_series(folder / "y.csv", 600, 3, 450)
    rows = {"x_train": (300, 300), "x_test": (300, 0), "y": (600, 300)}
    series = [{"series": n, "file": f"{n}.csv", "rows": r, "train_rows": t} for n, (r, t) in rows.items()]
    (folder / "manifest.json").write_text(json.dumps({"name": "made", "series": series}))
    return tmp_path / "suites"


def test_training_rows_come_from_where_the_protocol_says(suite: Path) -> None:
    splits = {series.name: load(series) for series in find_series(suite)}
    assert {name: (len(split.train), len(split.test)) for name, split in splits.items()} == {
        "x_train": (150, 150),
        "x_test": (300, 300),
        "y": (300, 300),
    }
    assert splits["y"].sensors == ("a", "b")
    assert np.flatnonzero(splits["y"].labels).tolist() == list(range(150, 190))


def test_runs_and_reports(suite: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    report = run_benchmark(suite, METHODS, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (6, 6)
    assert [(run.series, run.method, run.vus_pr is None) for run in report.runs] == [
        (series, method, series == "x_train") for series in ("x_test", "x_train", "y") for method in METHODS
    ]
    assert report.mean_of_suite_means["linear"] > 0.8
    write_report(report, tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "detection.json").read_bytes())
    assert msgspec.convert(stored, Report) == report
    assert {"commit", "machine", "versions", "seed"} <= set(stored)
    assert (tmp_path / "out" / "table.csv").read_text().count("\n") == 7
    assert "mean of suites" in format_report(report, METHODS)


def test_wrong_usage_is_said(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no detector 'magic'; there are: linear"):
        run_benchmark(suite, ["magic"])
    with pytest.raises(ConfigError, match=r"no manifest\.json"):
        run_benchmark(tmp_path / "nowhere")
    (suite / "made" / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        find_series(suite)


@pytest.mark.dataset
@pytest.mark.parametrize("name", ["asd", "cmapss", "jumpstarter_d2", "msl", "nab", "skab", "smd", "tep", "three_w"])
def test_one_file_of_each_suite(name: str) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"no labelled data at {DATA}: set IOT_EDGE_ANOMALY_DATA to its folder")
    series: Series = min(find_series(DATA / name), key=lambda one: one.path.stat().st_size)
    for run in run_series(series, METHODS):
        assert run.vus_pr is None or 0 < run.vus_pr <= 1
