"""The page about history says what the code does."""

import re
from pathlib import Path

import pytest
from deltalake import DeltaTable
from small_tables import gathered, store

from iot_edge_anomaly.historian.schema import described
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.historian.upkeep import Upkeep

PAGE = Path(__file__).parents[2] / "docs" / "history.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_columns_are_those_of_the_tables(page: str) -> None:
    assert described() in page, "put what iot_edge_anomaly.historian.schema.described() returns into docs/history.md"


def test_what_it_says_of_times_and_sizes_is_the_default(page: str) -> None:
    settings = HistorySettings()
    for name in ("flush_seconds", "flush_mb", "keep_days", "keep_alarm_days"):
        said = re.search(rf"`{name}` \((\d+)", page)
        assert said is not None, name
        assert float(said[1]) == getattr(settings, name)
    assert f"A day with {Upkeep.most_files} small files" in page


def test_the_tables_are_as_plain_as_it_says(tmp_path: Path) -> None:
    opened = store(tmp_path)
    opened.write(gathered(opened, range(1, 5)))
    for path in tmp_path.iterdir():
        table = DeltaTable(path)
        protocol = table.protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)
        assert table.metadata().partition_columns == ["day"]


def test_the_examples_run_as_written(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = store(tmp_path / "data" / "history")
    opened.write(gathered(opened, range(1, 5)))
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})
