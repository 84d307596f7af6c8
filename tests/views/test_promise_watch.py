"""Broken promises are counted in a gauge and told in the log, each once."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from commits import NORMAL, NS, PUMP, TANK, UNSEEN, commit, event, outcome  # type: ignore[import-not-found]
from commits import rows as scored
from kept import messages, records, written  # type: ignore[import-not-found]
from structlog.testing import capture_logs

from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, pack_rules
from iot_edge_anomaly.views.promise import Promise, PromiseState
from iot_edge_anomaly.views.promise_watch import Broken, broken_promises, watch_promises
from iot_edge_anomaly.views.records import DAY_NS

PROMISES = {key: Promise(key, PromiseState.BROKEN, 1.0, 1_209_600.0, 9) for key in (PUMP, TANK)}
NOW_NS = 40 * DAY_NS
RULES = (AssetRule("acme/site/tank", AssetSettings(false_alarms_per_week=10_000.0)),)


def gauge() -> float | None:
    return REGISTRY.get_sample_value("iea_budget_broken")


def test_each_is_told_once_when_it_breaks_and_once_when_it_holds_again() -> None:
    told = Broken()
    with capture_logs() as lines:
        told.update([PROMISES[PUMP]])
        told.update([PROMISES[PUMP], PROMISES[TANK]])
        assert gauge() == 2.0
        told.update([PROMISES[TANK]])
        told.update([])
    assert [(line["log_level"], line["asset"]) for line in lines] == [
        ("warning", str(PUMP)),
        ("warning", str(TANK)),
        ("info", str(PUMP)),
        ("info", str(TANK)),
    ]
    assert lines[0]["figures"] == "promised 1 a week; 9 in the last 2 weeks of watching"
    assert gauge() == 0.0


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Both assets with three alarms in the day that they were watched."""
    day = NOW_NS // NS - 86_400
    watched = msgspec.structs.replace(scored([[1.0, 2.0]], first=day), grid_ns=DAY_NS)
    history = []
    for seq, key in enumerate((PUMP, TANK), 1):
        alarms = tuple(event(f"A{seq}{number}", NORMAL, UNSEEN, day + number) for number in range(3))
        history.append(commit(0, seq, outcome(key, rows=watched, alarms=alarms)))
    written(tmp_path / "views.db", messages(history))
    return tmp_path / "views.db"


def test_the_promise_is_that_of_the_rules(database: Path) -> None:
    kept = records(database)
    assert [one.key for one in broken_promises(kept, (), NOW_NS)] == [PUMP, TANK]
    assert [one.key for one in broken_promises(kept, RULES, NOW_NS)] == [PUMP]
    assert broken_promises(kept, (), NOW_NS + 29 * DAY_NS) == []


class Shelf:
    """A bus that holds the rules and nothing else; `again`: they were asked for twice, so one look is over."""

    def __init__(self) -> None:
        self.again = asyncio.Event()
        self._asked = False

    async def get_key(self, _bucket: str, _key: str) -> tuple[bytes, int]:
        if self._asked:
            self.again.set()
        self._asked = True
        return pack_rules(RULES), 1


@pytest.mark.parametrize(("file", "count"), [("views.db", 1.0), ("not-there.db", 0.0)])
def test_it_watches_also_where_there_is_no_database_yet(
    database: Path, monkeypatch: pytest.MonkeyPatch, file: str, count: float
) -> None:
    monkeypatch.setattr("iot_edge_anomaly.views.promise_watch.LOOK_SECONDS", 0.0)
    Broken().update([])

    async def watch() -> None:
        shelf = Shelf()
        watching = asyncio.create_task(watch_promises(shelf, database.with_name(file), ManualClock(NOW_NS)))  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            await shelf.again.wait()
        assert not watching.done()
        watching.cancel()

    asyncio.run(watch())
    assert gauge() == count
