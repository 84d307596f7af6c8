"""The committed page of figures is what the committed figures say, and says so when a bar is missed."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import page

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_page_is_written_from_the_committed_figures() -> None:
    assert page.PAGE.read_text() == page.page(ROOT / "docs" / "results"), "run: python -m benchmarks.page"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in (ROOT / "docs" / "results").glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def changed(folder: Path, name: str, change: dict[str, object]) -> str:
    path = folder / f"{name}.json"
    found = json.loads(path.read_text())
    found["figures"] |= change
    path.write_text(json.dumps(found))
    return page.page(folder)


def test_a_figure_beyond_its_bar_is_said_not_to_meet_it(folder: Path) -> None:
    good = changed(folder, "first_alarm", {"seconds": 12.0})
    bad = changed(folder, "first_alarm", {"seconds": 75.0})
    assert "| 12 s | yes |" in good
    assert "| 75 s | **no** |" in bad


def test_missing_figures_are_named(folder: Path) -> None:
    (folder / "edge.json").unlink()
    with pytest.raises(KeyError, match="no figures of edge"):
        page.page(folder)


def spread(p95: float) -> dict[str, float]:
    return {"shown": 900, "failed": 0, "p50_seconds": 0.2, "p95_seconds": p95, "p99_seconds": 1.5}


SHARES = {"console": 0.3, "worker": 0.2, "gateway": 0.1, "broker": 0.1, "sessions": 0.05, "tabs": 0.4, "machine": 1.2}
VIEWERS = {
    "assets": 500,
    "minutes_with_viewers": 20,
    "viewers": {"sessions": 18, "tabs": 2},
    "pages": {"sessions": {"all": spread(0.4)}, "tabs": {"all": spread(2.5)}},
    "console_pss_mb": {"mean": 300.0, "growth_share": 0.012},
    "core_share": {"without": SHARES, "with_viewers": SHARES},
    "values_per_second": {"without": 5_000.0, "with_viewers": 4_990.0},
    "ingest_moved": -0.002,
    "alarm_ms": {"without": {"p50": 50.0}, "with_viewers": {"p50": 51.0}},
    "alarm_median_moved": {"share": 0.02, "interval_95": [-0.01, 0.05]},
    "bars": {"page_p95_seconds": 1.0, "moved_share": 0.05, "growth_share": 0.05},
}
KILL_FACES = {
    "kills": {"views": 10, "console": 10},
    "acts": {"acknowledge": 7},
    "values_sent": 100_000,
    "alarms": 300,
    "transitions": 900,
    "told": {"webhook": 910},
    "repeats": {"webhook": 10},
    "open_at_the_end": 4,
    "complaints": [],
}
QUICK, SLOW = ({"trend": {"ms": ms}, "span": {"ms": ms}} for ms in (5, 9))
HISTORY = {
    "flushes": {"asked_at": {"100": QUICK, "10000": SLOW}, "growth_of_cpu_ms": {"trend": 1.8, "span": 1.8}}
    | {"most_growth": 3.0},
    "plant": {"assets": 500, "sensors_an_asset": 10, "core_share": 0.04, "bar_core_share": 0.05}
    | {"bytes_a_reading": 2.5, "bytes_a_scored_row": 30.0},
    "points": {"rows": 1_036_800, "sensors": 5, "first_seconds": 0.6, "median_seconds": 0.3}
    | {"bar_seconds": 1.0, "met": True},
}


def page_with(folder: Path, name: str, figures: dict[str, Any]) -> str:
    described = {"command": f"python -m benchmarks.{name}", "commit": "0" * 40, "machine": {"cores": 2}, "seed": 7}
    (folder / f"{name}.json").write_text(json.dumps(described | {"figures": figures}))
    return page.page(folder)


@pytest.mark.parametrize(
    ("name", "figures", "title"),
    [
        ("viewers", VIEWERS, "## The console, looked at"),
        ("kill_faces", KILL_FACES, "## Faces killed"),
        ("history", HISTORY, "## History"),
    ],
)
def test_a_section_is_there_once_it_has_figures(folder: Path, name: str, figures: dict[str, Any], title: str) -> None:
    (folder / f"{name}.json").unlink(missing_ok=True)
    assert title not in page.page(folder)
    section = page_with(folder, name, figures).partition(title)[2].partition("\n## ")[0]
    assert f"`python -m benchmarks.{name}`" in section
    assert "**no**" not in section
    assert "Not met" not in section


def test_what_a_face_misses_is_said(folder: Path) -> None:
    slow = VIEWERS | {"pages": {"sessions": {"all": spread(1.2)}, "tabs": {"all": spread(2.5)}}}
    assert "| 1.20 s (p50 0.20, p99 1.50; 900 pages) | **no** |" in page_with(folder, "viewers", slow)
    lost = KILL_FACES | {"complaints": ["webhook: an alarm was not told"]}
    assert "**Not met: webhook: an alarm was not told.**" in page_with(folder, "kill_faces", lost)
    costly = HISTORY | {"plant": HISTORY["plant"] | {"core_share": 0.07}}
    assert "| 7.0% of a core | **no** |" in page_with(folder, "history", costly)


def figures_of(vus_pr: float) -> dict[str, Any]:
    shown = {"vus_pr": vus_pr, "auc_pr": 0.4, "f1": 0.3, "false_alarms": 12, "false_alarms_per_week": 1.5}
    found = {"events": 9, "events_found": 7, "median_delay_rows": None, "microseconds_a_row": 8.0, "growth_mb": 21.0}
    standing = {"interval_95": [0.5, 0.7], "without": {"a": 0.62, "b": 0.58}}
    return {"all": shown | found, **standing, "ratio_to_best_peer": 1.25, "ratio_interval_95": [1.1, 1.4]}


def test_how_sure_a_ranking_is_and_what_alarms_are_worth_is_said_where_it_was_measured(folder: Path) -> None:
    path = folder / "detection.json"
    found = json.loads(path.read_text())
    means = {"linear": 0.6, "last-value": 0.48}
    found |= {"mean_of_suite_means": means, "suite_means": {"a": means}, "best_peer": "last-value"}
    found |= {"false_alarms_per_week": 1.0, "methods": {name: figures_of(vus) for name, vus in means.items()}}
    path.write_text(json.dumps(found))
    written = page.page(folder)
    assert "| linear | 0.600 (0.500-0.700) | 1.25 (1.10-1.40) | 0.580 (b) | 0.400 | 0.300 |" in written
    assert "| last value | 1.5 (12) | 7 of 9 |  | 8.0 | 21 MB |" in written
    assert "the best one on each" in written
