"""The drift benchmark: what counts as missed, that sabotage is found, and that the page says so."""

import json
from pathlib import Path

import pytest
from benchmarks import drift, page, page_drift

ROOT = Path(__file__).resolve().parents[2]


def test_a_sound_watch_meets_the_bars_of_plain_noise_and_sabotage_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "CALM_ROWS", 6_000)
    missed = {
        sabotage: drift.complaints({"white": {"600": drift.figures_of("white", 600, 2, sabotage)}})
        for sabotage in ("", "blind", "jumpy")
    }
    assert missed[""] == []
    assert any("0% of spread changes told" in complaint for complaint in missed["blind"])
    assert any("false drifts" in complaint for complaint in missed["jumpy"])


def test_a_bar_that_is_missed_is_said_on_the_page() -> None:
    results = {"drift": json.loads((ROOT / "docs" / "results" / "drift.json").read_text())}
    assert page_drift.drift(results) in page.page(ROOT / "docs" / "results")
    results["drift"]["figures"]["complaints"] = ["white, 600 rows learned: 3 false drifts in 1,000 hours"]
    assert "**Not met: white, 600 rows learned: 3 false drifts in 1,000 hours.**" in page_drift.drift(results)
    results["drift"]["figures"]["complaints"] = []
    assert "All are met." in page_drift.drift(results)
