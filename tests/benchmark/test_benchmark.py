"""The benchmark: on a suite made here, and a short run on one file of each labelled suite where they are."""

import csv
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from iot_edge_anomaly.benchmark import peers
from iot_edge_anomaly.benchmark import series as series_room
from iot_edge_anomaly.benchmark.baselines import Fitted
from iot_edge_anomaly.benchmark.report import format_report, write_report
from iot_edge_anomaly.benchmark.run import Report, run_benchmark
from iot_edge_anomaly.benchmark.series import METHODS as ALL_METHODS
from iot_edge_anomaly.benchmark.series import run_series
from iot_edge_anomaly.benchmark.suites import Series, find_series, load
from iot_edge_anomaly.component.detector import Scores
from iot_edge_anomaly.core.errors import ConfigError, FatalError

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
    found = run_benchmark(suite, METHODS, progress=lambda done, of: told.append((done, of)))
    report = found.report
    assert told[-1] == (6, 6)
    assert [(run.series, run.method, run.vus_pr is None) for run in report.runs] == [
        (series, method, series == "x_train") for series in ("x_test", "x_train", "y") for method in METHODS
    ]
    assert report.mean_of_suite_means["linear"] > 0.8
    assert report.best_peer == "moving-zscore"
    linear = report.suites["made"]["linear"]
    assert (linear.series, linear.events, linear.events_found) == (2, 2, 2)
    assert linear.f1 is not None
    assert linear.f1 > 0.5
    write_report(found, tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "detection.json").read_bytes())
    assert msgspec.convert(stored, Report) == report
    assert {"commit", "machine", "versions", "seed"} <= set(stored)
    with (tmp_path / "out" / "table.csv").open(newline="") as table:
        lines = list(csv.DictReader(table))
    assert [float(line["false_alarms_per_week"]) >= 0 for line in lines] == [True] * 6
    text = format_report(report)
    assert "mean of suites" in text
    assert "did not run" not in text


def test_the_page_shows_best_and_worst_series_and_loads_nothing(suite: Path, tmp_path: Path) -> None:
    found = run_benchmark(suite, METHODS, processes=1)
    write_report(found, tmp_path)
    page = (tmp_path / "detection.html").read_text()
    by_figure = sorted((run.vus_pr, run.series) for run in found.report.runs if run.method == "linear" and run.vus_pr)
    assert f"best of linear: {by_figure[-1][1]}, VUS-PR {by_figure[-1][0]:.3f}" in page
    assert f"worst of linear: {by_figure[0][1]}, VUS-PR {by_figure[0][0]:.3f}" in page
    assert page.count("score of linear<") == page.count("score of moving-zscore<") == 2
    drawings = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(drawings) == 6
    assert all(len(svg.findall("rect")) == 1 for svg in drawings), "the labelled event is shaded"
    assert not re.search(r"(src|href)=|https?:|url\(|@import", page)


def test_one_run_is_as_another(suite: Path) -> None:
    first, second = (run_benchmark(suite, METHODS, processes=1).report for _ in range(2))
    assert first.methods["linear"].interval_95 == second.methods["linear"].interval_95
    assert first.suite_means == second.suite_means


def test_a_peer_that_is_not_installed_is_left_out_with_its_reason(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: peers.PEERS[name] for name in ("moving-zscore", "last-value")}
    absent = peers.Peer(peers.moving_zscore, "no_such_package")
    monkeypatch.setattr(peers, "PEERS", known | {name: absent for name in peers.PEERS if name not in known})
    report = run_benchmark(suite, processes=1).report
    assert set(report.skipped) == set(ALL_METHODS) - {"linear", "coldstart", *known}
    assert "stumpy did not run: the package no_such_package is not installed" in format_report(report)
    with pytest.raises(ConfigError, match=r"stumpy cannot run: the package .*iot-edge-anomaly\[bench\]"):
        run_benchmark(suite, ["linear", "stumpy"])


class LooksAhead:
    """Scores every row by how many rows there are."""

    def start(self) -> None: ...

    def score(self, state: None, rows: np.ndarray) -> tuple[None, Scores]:
        return state, Scores(np.full(len(rows), float(len(rows))), rows, rows)


def test_a_broken_promise_ends_the_run_and_is_named(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = SimpleNamespace(fit=lambda *_, **__: LooksAhead())
    short = peers.Peer(lambda _: Fitted(np.ones(3), lambda rows: np.ones(len(rows) - 1)))
    monkeypatch.setattr(series_room, "DETECTORS", {"linear": ahead})
    monkeypatch.setattr(series_room, "PEERS", {"last-value": short})
    with pytest.raises(FatalError, match=r"linear on made/x_train: the scores of a prefix are not the prefix"):
        run_benchmark(suite, ["linear"], processes=1)
    with pytest.raises(FatalError, match=r"last-value on made/x_train: not one finite score a row"):
        run_benchmark(suite, ["last-value"], processes=1)


def test_a_series_that_cannot_be_learned_from_is_named(suite: Path) -> None:
    write_series(suite / "made" / "y.csv", 8, 3)
    with pytest.raises(ConfigError, match=r"y\.csv has 8 rows; its manifest takes 300 for training"):
        run_benchmark(suite, METHODS)
    manifest = {"name": "made", "series": [{"series": "y", "file": "y.csv", "rows": 8, "train_rows": 4}]}
    (suite / "made" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FatalError, match=r"linear on made/y: "):
        run_benchmark(suite, METHODS)


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
    for run in run_series(series, METHODS).runs:
        assert run.vus_pr is None or 0 < run.vus_pr <= 1
