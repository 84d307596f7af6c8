"""The page of an asset says what has drifted, as long as it does."""

from pathlib import Path

import pytest
from console_process import ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect
from seeded_records import SeededRecords, outcome  # type: ignore[import-not-found]

from iot_edge_anomaly.console.assets.drifts import WHAT_TO_DO, standing
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Notice
from iot_edge_anomaly.views.records import KeptNotice

TANK = AssetKey("demo", "station-1/pumping/line-1/tank-1")


def kept(kind: str, what: str, text: str = "") -> KeptNotice:
    return KeptNotice(TANK, kind, "", text, 0, "", what)


@pytest.mark.parametrize(
    ("newest_first", "texts"),
    [
        ([], []),
        ([kept("drift", "data", "a")], ["a"]),
        ([kept("drift-over", "data"), kept("drift", "data", "a")], []),
        ([kept("drift", "data", "b"), kept("drift-over", "data"), kept("drift", "data", "a")], ["b"]),
        ([kept("drift", "score", "s"), kept("drift-over", "data"), kept("drift", "data", "a")], ["s"]),
        ([kept("drift", "score", "s"), kept("maintenance", ""), kept("drift", "data", "a")], ["s", "a"]),
    ],
)
def test_what_is_not_over_stands(newest_first: list[KeptNotice], texts: list[str]) -> None:
    assert [notice.text for notice in standing(newest_first)] == texts


@pytest.mark.system
def test_a_drift_is_on_the_page_until_it_is_over(own_console: ConsoleProcess, page: Page) -> None:
    told, now_ns = SeededRecords(Path(own_console.log).parent), SystemClock().now_ns()
    text = "level runs at 3.9 m on average; it was learned between 1.2 and 2.8; for 40 min"
    told.tell(now_ns, [outcome(TANK, notices=(Notice("drift", "level", text, now_ns, note="data"),))])
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/asset/{TANK}")
    drift = page.get_by_role("region", name="Drift")
    expect(drift).to_contain_text("Level runs at 3.9 m on average; it was learned between 1.2 and 2.8; for 40 min")
    expect(drift).to_contain_text(WHAT_TO_DO)
    told.tell(now_ns, [outcome(TANK, notices=(Notice("drift-over", "", "again as learned", now_ns, note="data"),))])
    expect(drift).to_be_hidden()
