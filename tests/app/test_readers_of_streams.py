"""Who must see every message is who runs: the names under which roles reserve are those that `up` registers."""

import importlib.util
from pathlib import Path

import msgspec
import pytest

from iot_edge_anomaly.app.plan import Plan, Ports, readers, roles
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.historian.write import STREAMS, WHO
from iot_edge_anomaly.views.keep import READER

PORTS = Ports(1, 2, 3, 4)


def plan(*, enabled: bool = True) -> Plan:
    return Plan(msgspec.structs.replace(Settings(), history=HistorySettings(enabled=enabled)), Path("data"))


def names(wanted: Plan) -> set[str]:
    return {spec.role for spec in roles(wanted, PORTS)}


def test_the_historian_and_the_view_database_hold_what_they_have_not_written() -> None:
    assert readers(plan()) == {READER: (OUTCOMES,), WHO: (READINGS, OUTCOMES)}
    assert readers(plan())[WHO] == STREAMS
    assert {READER, WHO} <= names(plan())


def test_a_historian_that_is_switched_off_or_not_installed_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert readers(plan(enabled=False)) == {READER: (OUTCOMES,)}
    assert WHO not in names(plan(enabled=False))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "deltalake" else found(name))
    assert readers(plan()) == {READER: (OUTCOMES,)}
    assert WHO not in names(plan())
