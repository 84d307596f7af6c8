"""`GET /v1/budget` tells whether promises hold, of the last four weeks, however many were asked for."""

import asyncio
from types import SimpleNamespace

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.gateway.figures import BudgetOf, PromiseFigures, read_budget
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.views.budget import WEEK_SECONDS
from iot_edge_anomaly.views.promise import PromiseState
from iot_edge_anomaly.views.records import DAY_NS, LearnedAlarms

PUMP, TANK = AssetKey("acme", "pump"), AssetKey("acme", "tank")
NOW_NS = 900 * DAY_NS


class Kept:
    """Records of two assets; remembers for which span it was asked."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []

    def learned(self, _tenants: object, since_ns: int, until_ns: int, _prefix: str) -> list[LearnedAlarms]:
        return []

    def judged(self, _tenants: object, since_ns: int, until_ns: int, _prefix: str) -> list[object]:
        return []

    def learned_since_model(self, _tenants: object, since_ns: int, until_ns: int, prefix: str) -> list[LearnedAlarms]:
        self.spans.append((since_ns, until_ns))
        assert prefix == "acme"
        return [LearnedAlarms(PUMP, 4, 3, 6, 2 * WEEK_SECONDS), LearnedAlarms(TANK, 0, 0, 0, WEEK_SECONDS)]


def test_promises_are_told_with_their_figures() -> None:
    kept = Kept()
    plant = SimpleNamespace(settings=lambda _: AssetSettings(false_alarms_per_week=1.0))
    services = SimpleNamespace(records=kept, plant=plant)
    call = SimpleNamespace(
        parameters=BudgetOf(weeks=52, prefix="acme"), received_ns=NOW_NS, principal=SimpleNamespace(tenants="*")
    )
    answer = asyncio.run(read_budget(services, call))  # type: ignore[arg-type]
    assert kept.spans == [(NOW_NS - 28 * DAY_NS, NOW_NS)]
    words = "promised 1 a week; 9 in the last 2 weeks of watching"
    assert answer.promises == (
        PromiseFigures(str(PUMP), PromiseState.BROKEN, words, 1.0, 2 * WEEK_SECONDS, 9),
        PromiseFigures(
            str(TANK),
            PromiseState.UNVERIFIED,
            "promised 1 a week; 0 in the last 7 days of watching",
            1.0,
            WEEK_SECONDS,
            0,
        ),
    )
