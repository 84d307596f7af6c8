"""The benchmark of events on small made suites: it can be met, sabotage fails each protocol, its section says so."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import event_scores, events, events_three_w
from benchmarks.event_scores import Part, delayed, shuffled
from benchmarks.page_events import events as section
from benchmarks.quiet_time import staged

from iot_edge_anomaly.pipeline.settings import DEFAULTS


def series(folder: Path, name: str, rows: int, train_rows: int, event: tuple[int, int] | None, seed: int) -> object:
    """Write three sensors that follow each other, but for the rows of an event; return its entry of the manifest."""
    random = np.random.default_rng(seed)
    cause = random.normal(size=(rows, 1))
    values, labels = cause @ np.array([[1.0, 0.5, -1.0]]) + 0.3 * random.normal(size=(rows, 3)), np.zeros(rows, int)
    if event:
        values[slice(*event), 0] += 3.0
        labels[slice(*event)] = 1
    table = np.column_stack((np.arange(rows), values, labels))
    lines = [",".join(f"{cell:.6g}" for cell in line) for line in table]
    with gzip.open(folder / f"{name}.csv.gz", "wt") as file:
        file.write("\n".join(["timestamp,a,b,c,label", *lines]) + "\n")
    return {"series": name, "file": f"{name}.csv.gz", "rows": rows, "train_rows": train_rows, "interval_s": 1}


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suites")
    for name in ("skab", "three_w"):
        (folder / name).mkdir()
    bench = [series(folder / "skab", f"valve1_{n}", 2_000, 400, (570, 1_170), n) for n in range(3)]
    wells = [series(folder / "three_w", f"class2_{n}", 1_600, 500, (700, 1_600), 10 + n) for n in range(3)]
    wells += [series(folder / "three_w", f"class0_{n}", 9_000, 1_500, None, 20 + n) for n in range(2)]
    for name, entries in (("skab", bench), ("three_w", wells)):
        (folder / name / "manifest.json").write_text(json.dumps({"name": name, "series": entries}))
    return folder


def test_a_clear_case_meets_the_bars_and_is_written(suites: Path, tmp_path: Path) -> None:
    assert events.main([str(suites), "--results", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "events.json").read_text())
    figures = written["figures"]
    assert figures["met"] is True
    assert figures["complaints"] == []
    assert figures["skab"]["f1"] > 0.9
    assert figures["three_w"]["found"] == figures["three_w"]["events"] == 3
    assert figures["three_w"]["control"]["found_mean"] < 0.2
    said = section({"events": written})
    assert "`python -m benchmarks.events" in said
    assert "**no**" not in said


@pytest.mark.parametrize("sabotage", ["random", "shifted"])
def test_sabotage_fails_each_protocol(
    suites: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sabotage: str,
) -> None:
    monkeypatch.setattr(events_three_w, "SHUFFLED_ROWS", 300)  # the wells made here are few
    assert events.main([str(suites), "--sabotage", sabotage, "--results", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "Not met: SKAB: F1 of rows" in said
    assert "Not met: 3W:" in said
    assert not list(tmp_path.iterdir())


def test_a_sabotage_that_changes_nothing_is_said_to_go_unnoticed(
    suites: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_scores, "spoilt", lambda parts, *_: parts)
    assert events.main([str(suites), "--sabotage", "random"]) == 2
    said = capsys.readouterr().err
    assert "skab: the sabotage random went unnoticed" in said
    assert "three_w: the sabotage random went unnoticed" in said


def test_without_suites_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert events.main([str(tmp_path)]) == 2
    assert "manifest.json" in capsys.readouterr().err


def test_alarms_come_after_the_on_delay_and_go_after_the_off_delay() -> None:
    on, off = DEFAULTS.on_delay_rows or 1, DEFAULTS.off_delay_rows or 1
    score = np.zeros(100)
    score[10:30] = 1.5
    score[60 : 60 + on - 1] = 9.0
    expected = np.zeros(100, bool)
    expected[10 + on - 1 : 30 + off - 1] = True
    assert np.array_equal(staged(score, 1.0).stands, expected)
    assert np.array_equal(staged(score, 300.0).stands, expected)
    assert not staged(np.zeros(5), 1.0).stands.any()


def test_sabotaged_scores_are_the_same_scores_elsewhere() -> None:
    labels = np.zeros(500, bool)
    labels[100:180] = True
    parts = [Part(name, labels, np.arange(500.0) + number, 1.0) for number, name in enumerate("ab")]
    mixed = shuffled(parts, 60)
    before, after = (np.sort(np.concatenate([part.score for part in some])) for some in (parts, mixed))
    assert np.array_equal(before, after)
    assert not np.array_equal(parts[0].score, mixed[0].score)
    late = delayed(parts[0])
    assert not late.score[:80].any()
    assert np.array_equal(late.score[80:], parts[0].score[:-80])


def figures_of(**changes: Any) -> dict[str, Any]:
    skab = {"f1": 0.85, "false_alarm_rate": 0.05, "missed_alarm_rate": 0.2}
    wells = {"events": 20, "found": 18, "found_share": 0.9, "false_onsets": 2, "normal_hours": 48.0}
    wells |= {"median_delay_seconds": 90.0, "onsets_per_normal_hour": 0.04} | changes
    control = {"repeats": 500, "found_mean": 0.1, "found_95": 0.2, "found_mean_within_series": 0.4}
    oracle = {"times_the_threshold": 2.0}
    first = {**skab, "files": 16, "rows": 11_000, "budget_seconds": 1_000, "curve": [{"budget_seconds": 1_000, **skab}]}
    first |= {"bars": {"f1": 0.8, "false_alarm_rate": 0.1}, "met": True}
    first |= {"oracle": {"best_f1": oracle | skab, "best_f1_within_bar": oracle | skab}}
    bars = {"found": 0.8, "normal_hours_an_onset": 12.0, "found_by_chance": 0.2}
    second = {**wells, "series": 48, "rows": 300_000, "budget_seconds": 86_400, "bars": bars, "control": control}
    second |= {"score_above_1": wells, "oracle": oracle | wells}
    second |= {"curve": [{"budget_seconds": 86_400, "score_above_1": wells, **wells}]}
    second |= {"met": not events_three_w.complaints(second)}
    wrong = events_three_w.complaints(second)
    return {"detector": "linear", "skab": first, "three_w": second, "met": not wrong, "complaints": wrong}


def test_the_section_says_what_is_not_met() -> None:
    good = section({"events": {"command": "python -m benchmarks.events", "figures": figures_of()}})
    assert "| 18 of 20 | yes |" in good
    bad = figures_of(found=12, found_share=0.6, false_onsets=9)
    said = section({"events": {"command": "python -m benchmarks.events", "figures": bad}})
    assert "| 12 of 20 | **no** |" in said
    assert "| 9 in 48 h | **no** |" in said
    assert len(bad["complaints"]) == 2
