"""A short run of the benchmark of history: it writes and asks, keeps files few, and finds out where nobody does."""

from pathlib import Path

import pytest
from benchmarks import history

COUNT = 70


@pytest.mark.parametrize(("compacts", "most_files"), [(True, 16), (False, COUNT)])
def test_small_flushes_leave_few_files_unless_nobody_tidies_up(tmp_path: Path, compacts: bool, most_files: int) -> None:
    figures = history.flushes(tmp_path, COUNT, compacts=compacts, asked_at=(20, COUNT))
    asked = figures["asked_at"][str(COUNT)]
    assert asked["files"] <= most_files
    assert (asked["files"] < COUNT) is compacts
    assert asked["log_entries"] <= 2 * COUNT
    assert figures["growth_of_cpu_ms"].keys() == {"trend", "span"}


def test_a_plant_is_written_and_compacted_and_its_bytes_are_counted(tmp_path: Path) -> None:
    figures = history.plant(tmp_path, assets=20, sensors=4, minutes=4)
    assert figures["readings"] == 20 * 4 * 240
    assert figures["compacted"] is True
    assert 1 < figures["bytes_a_reading"] < 100
    assert 0 < figures["core_share"] < 1


def test_a_chart_of_many_rows_is_opened(tmp_path: Path) -> None:
    figures = history.points(tmp_path, assets=2, sensors=2, days=1)
    assert figures["rows"] == 86_400
    assert figures["median_seconds"] > 0
