"""The benchmark of the budget, on suites made here: what it counts, and what it complains of."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import budget_kept
from benchmarks.budget_kept import SUITES, complaints, judge, kept, suite_figures
from benchmarks.labelled_data import all_series

TRAIN, ROWS = 2_000, 6_000


def write_suite(folder: Path, name: str, seeds: tuple[int, ...]) -> None:
    suite = folder / name
    suite.mkdir(parents=True)
    for seed in seeds:
        random = np.random.default_rng(seed)
        cause = random.normal(size=ROWS)
        a, b, c = (cause + 0.3 * random.normal(size=ROWS) for _ in range(3))
        labels = np.zeros(ROWS, int)
        labels[4_000:4_100] = 1
        lines = [f"{row},{a[row]:.4f},{b[row]:.4f},{c[row]:.4f},{labels[row]}" for row in range(ROWS)]
        (suite / f"{seed}.csv").write_text("timestamp,a,b,c,label\n" + "\n".join(lines) + "\n")
    series = [
        {"series": str(seed), "file": f"{seed}.csv", "rows": ROWS, "train_rows": TRAIN, "interval_s": 60}
        for seed in seeds
    ]
    (suite / "manifest.json").write_text(json.dumps({"name": name, "series": series}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_suite(tmp_path, "made", (1, 2))
    write_suite(tmp_path, "cmapss", (3,))
    monkeypatch.setenv("IOT_EDGE_ANOMALY_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_false_alarms_of_a_suite_are_counted_over_its_quiet_rows() -> None:
    series = all_series()
    assert [one.suite for one in series] == ["made", "made"]
    figures = suite_figures([judge(one) for one in series])["made"]
    assert figures["quiet_rows"] == 2 * (ROWS - TRAIN - 200)
    assert figures["expected"] == 15.2
    assert 0.2 < figures["ratio"]["alarms"] < 3.0
    assert figures["counts"]["alarms"] <= figures["counts"]["runs"]
    assert figures["kept"]["alarms"]["not_yet_verifiable"] == 0


@pytest.mark.usefixtures("folder")
def test_half_a_threshold_is_found() -> None:
    one = all_series()[0]
    sane, halved = judge(one), judge(one, budget_kept.SABOTAGE["halve-threshold"])
    assert sane.counts["naive_alarms"] == halved.counts["naive_alarms"]
    assert halved.standing_rows > 10 * sane.standing_rows


def test_a_missing_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOT_EDGE_ANOMALY_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit, match="nowhere: set IOT_EDGE_ANOMALY_DATA"):
        all_series()


def figures_of(ratio: float, expected: float = 40.0) -> dict[str, Any]:
    return {"expected": expected, "ratio": {"alarms": ratio}}


def test_what_misses_a_bar_is_said() -> None:
    good = {suite: figures_of(1.0) for suite in SUITES}
    share = {"series": 10, "kept": 8}
    assert complaints(good, share) == []
    assert complaints(good | {"msl": figures_of(9.0), "nab": figures_of(9.0)}, share) == []
    assert "msl 9, skab 0.1" in complaints(good | {"msl": figures_of(9.0), "skab": figures_of(0.1)}, share)[0]
    assert "7 of 10 series" in complaints(good, {"series": 10, "kept": 7})[0]
    assert "16 are the least" in complaints(good | {"asd": figures_of(1.0, 12.0)}, share)[0]
    del good["smd"]
    assert complaints(good, share) == ["smd: there are no series of it"]
    assert complaints({}, {"series": 0, "kept": 0})[-1].startswith("the budget is kept by 0 of 0")


def test_a_series_with_little_time_has_no_voice() -> None:
    judged = [
        budget_kept.Judged("a", "long", 5_000, 10.0, {"alarms": 30}, 0),
        budget_kept.Judged("a", "good", 5_000, 10.0, {"alarms": 12}, 0),
        budget_kept.Judged("a", "short", 500, 1.0, {"alarms": 9}, 0),
    ]
    assert kept(judged, "alarms") == {"series": 2, "kept": 1, "not_yet_verifiable": 1}
