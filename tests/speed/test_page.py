"""The committed page of figures is what the committed figures say, and says so when a bar is missed."""

import json
from pathlib import Path

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
