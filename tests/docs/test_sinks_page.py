"""The page about sinks works as written: its receiver, its mail, its file; its tables are those of the program."""

import os
import re
import sys
from pathlib import Path

import msgspec
import pytest
from benchmarks.walkthrough import steps, walk

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.app.settings import check
from iot_edge_anomaly.sinks.catalog import CATALOG
from iot_edge_anomaly.sinks.wording import VERSION, AlarmMessage

PAGE = Path(__file__).parents[2] / "docs" / "sinks.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.server
@pytest.mark.timeout(300)
def test_what_the_page_says_comes_true(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "IOT_EDGE_ANOMALY_CONSOLE__ENABLED": "false"}
    walk(PAGE, tmp_path, environment, {"8099": str(free_port()), "2525": str(free_port())})


def test_every_configuration_of_the_page_is_right() -> None:
    tables = [step.text for step in steps(TEXT) if step.language == "toml"]
    assert len(tables) == 3
    for table in tables:
        assert check(table, "plant.toml")[1] == []


def test_the_page_names_every_type_and_every_field() -> None:
    assert set(re.findall(r"^\| \[`(\w+)`\]", TEXT, re.MULTILINE)) == set(CATALOG)
    section = TEXT.split("## What programs get")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in msgspec.structs.fields(AlarmMessage)}
    assert f"| `version` | {VERSION};" in section
