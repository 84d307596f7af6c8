"""What the page says of the two promises is what the figures say."""

import json
from pathlib import Path
from typing import Any

from benchmarks import page_promises

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


def results(name: str, **changes: Any) -> dict[str, Any]:
    found = json.loads((RESULTS / f"{name}.json").read_text())
    found["figures"] |= changes
    return {name: found}


def test_a_budget_that_is_not_kept_is_said() -> None:
    missed = page_promises.budget_kept(results("budget_kept", met=False, complaints=["asd is off"]))
    assert "**Not met: asd is off.**" in missed
    kept = page_promises.budget_kept(results("budget_kept", met=True, complaints=[]))
    assert "Met." in kept
    assert "Not met" not in kept
    table = [line for line in kept.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert [line.partition(" (")[0] for line in table[2:7]] == [
        f"| {suite}" for suite in ("asd", "jumpstarter_d2", "msl", "skab", "smd")
    ]
    assert all("beside the bar" in line for line in table[7:])


def test_sensors_that_are_not_named_are_said() -> None:
    missed = page_promises.root_causes(results("root_causes", met=False, complaints=["too few events"]))
    assert "**Not met: too few events.**" in missed
    table = [line for line in missed.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert [line.split()[1] for line in table[2:]] == [*page_promises.KINDS, "**all**"]


def test_origins_that_are_told_wrongly_are_said() -> None:
    missed = page_promises.fault_origin(results("fault_origin", met=False, complaints=["all: too few are right"]))
    assert "**Not met: all: too few are right.**" in missed
    table = [line for line in missed.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert [line.split(" at fault")[0] for line in table[2:6]] == [
        f"| {what}, {truth}" for what in ("all", "held back") for truth in ("sensor", "machine")
    ]


def test_where_no_fault_made_an_alarm_there_is_no_share_of_them() -> None:
    found = results("root_causes")
    one = found["root_causes"]["figures"]["faults"]["plant"]["kinds"]["spike"]
    one |= {"with_an_alarm": 0, "share_with_an_alarm": None}
    assert "none of 0 with an alarm" in page_promises.root_causes(found)
