"""Who must see every message is registered by `up` before anything may be purged."""

from pathlib import Path

import msgspec

from iot_edge_anomaly.app.plan import Plan, readers
from iot_edge_anomaly.app.settings import Settings
from iot_edge_anomaly.bus.streams import OUTCOMES
from iot_edge_anomaly.historian.settings import HistorySettings


def test_views_read_outcomes_with_and_without_a_historian() -> None:
    without = msgspec.structs.replace(Settings(), history=HistorySettings(enabled=False))
    assert readers(Plan(without, Path("plant"))) == {"views": (OUTCOMES,)}
    assert readers(Plan(Settings(), Path("plant")))["views"] == (OUTCOMES,)
