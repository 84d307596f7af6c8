"""What the overview and the budget page work out, as tables."""

from collections import Counter

import pytest
from seeded_plant import PUMP_1, PUMP_3, TANK  # type: ignore[import-not-found]

from iot_edge_anomaly.console.alarms.words import condition_title
from iot_edge_anomaly.console.budget.span import SCALE, bar_of, budget_address, budget_search_of, span_of, worst_first
from iot_edge_anomaly.console.overview.availability import running_words
from iot_edge_anomaly.console.overview.day_figures import DAYS, day_figures, watched
from iot_edge_anomaly.console.overview.fleet_words import details, verdict
from iot_edge_anomaly.console.when import DAY_NS, midnight_ns, moment
from iot_edge_anomaly.console.words import Condition
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.resilience.supervise import ProcessInfo
from iot_edge_anomaly.views.budget import BudgetState, budget
from iot_edge_anomaly.views.records import AssetDay, LearnedAlarms

NS = 1_000_000_000
HOUR = 3600.0
TODAY = 20_000
NOON = TODAY * DAY_NS + DAY_NS // 2


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({Condition.NORMAL: 12}, "All 12 assets are fine"),
        ({Condition.NORMAL: 1}, "The only asset is fine"),
        ({Condition.NORMAL: 10, Condition.LEARNING: 1, Condition.MAINTENANCE: 1}, "All 12 assets are fine"),
        ({Condition.NORMAL: 10, Condition.ALARM: 1, Condition.SILENT: 1}, "2 of 12 assets need somebody"),
        ({Condition.ALARM: 1}, "1 of 1 asset needs somebody"),
        ({Condition.RETURNED: 1, Condition.NORMAL: 4}, "1 of 5 assets needs somebody"),
        ({Condition.ACKNOWLEDGED: 2, Condition.NORMAL: 4}, "2 of 6 assets have an alarm, and somebody is on it"),
        ({Condition.ACKNOWLEDGED: 2, Condition.SILENT: 1}, "1 of 3 assets needs somebody"),
    ],
)
def test_one_sentence_says_whether_all_is_well(counts: dict[Condition, int], said: str) -> None:
    assert verdict(Counter(counts)) == said
    assert bool(details(Counter(counts))) is any(one is not Condition.NORMAL for one in counts)


@pytest.mark.parametrize(
    ("running", "restarts", "said"), [(2, 0, "2 of 2"), (1, 1, "1 of 2, 1 restart"), (0, 3, "0 of 2, 3 restarts")]
)
def test_processes_that_run_are_counted(running: int, restarts: int, said: str) -> None:
    pids = [7 if number < running else None for number in range(2)]
    processes = [ProcessInfo("worker", pids[0], None, restarts, 1.0), ProcessInfo("views", pids[1], None, 0, 1.0)]
    assert running_words(processes) == said


def day(key: AssetKey, number: int, good: int = 90, raised: int = 1) -> AssetDay:
    return AssetDay(key, number, (good, 5, 3, 2), 1000, 990, 2, 3, 4, raised)


def test_days_are_summed_over_assets_and_the_week() -> None:
    days = [day(key, TODAY - ago) for key in (PUMP_1, TANK) for ago in range(20)]
    found = day_figures(days, [], [], NOON)
    assert found.raised == (2,) * DAYS
    assert found.today.rows == (180, 10, 6, 4)
    assert found.today.shares() == (0.9, 0.05, 0.03, 0.02)
    assert (found.week.late, found.week.duplicate, found.week.set_aside) == (42, 28, 56)
    assert (found.watched_today, found.watched_week) == (None, None)
    empty = day_figures([], [], [], NOON)
    assert (empty.raised, empty.today.shares()) == ((0,) * DAYS, ())


@pytest.mark.parametrize(
    ("hours", "first_day", "share"),
    [
        (12.0, TODAY - 5, 1.0),
        (6.0, TODAY - 5, 0.5),
        (13.0, TODAY - 5, 1.0),  # a clock that runs ahead makes no more than all of it
        (0.0, TODAY - 5, 0.0),
        (5.0, TODAY, None),  # its first day: nobody knows when it began
    ],
)
def test_time_watched_counts_from_the_second_day_on(hours: float, first_day: int, share: float | None) -> None:
    seen = [LearnedAlarms(PUMP_1, 0, 0, 0, hours * HOUR)]
    assert watched(seen, {PUMP_1: first_day}, TODAY, NOON) == share


def test_the_worst_asset_comes_first_and_names_are_found() -> None:
    weeks = 4 * 7 * 24 * HOUR
    learned = [
        LearnedAlarms(PUMP_1, 3, 0, 0, weeks),
        LearnedAlarms(PUMP_3, 0, 20, 0, weeks),
        LearnedAlarms(TANK, 0, 3, 9, weeks),
    ]
    lines = budget(learned, lambda _: 1.0).assets
    assert [line.key for line in worst_first(lines)] == [PUMP_3, TANK, PUMP_1]
    assert [line.state for line in worst_first(lines)] == [
        BudgetState.OVER,
        BudgetState.TOO_EARLY,
        BudgetState.WITHIN,
    ]
    assert [line.key for line in worst_first(lines, "LINE-1 pump-")] == [PUMP_3, PUMP_1]
    bar = bar_of(worst_first(lines)[0])
    assert bar is not None
    assert (bar.realised, bar.high) == (100.0, 100.0)  # 5 a week: beyond the end of the bar
    assert bar.promised == pytest.approx(100 / SCALE)
    assert bar_of(budget([LearnedAlarms(TANK, 0, 0, 1, 0.0)], lambda _: 1.0).fleet) is None


def test_a_span_is_the_same_all_day_and_addresses_lead_back() -> None:
    assert span_of(4, NOON) == span_of(4, NOON + DAY_NS // 2 - 1) != span_of(4, NOON + DAY_NS // 2)
    assert span_of(4, NOON) == ((TODAY - 27) * DAY_NS, (TODAY + 1) * DAY_NS)
    search = budget_search_of({"weeks": "12", "words": " pump ", "first": "50"})
    assert budget_address(search) == "/budget?weeks=12&words=pump&first=50"
    assert budget_search_of({"weeks": "1e9", "first": "-1"}) == budget_search_of({})


@pytest.mark.parametrize(
    ("condition", "title"),
    [
        ("score", "Learned: the sensors together"),
        ("limit:outlet_pressure:LL", "Low-low limit of outlet pressure"),
        ("limit:a:b:H", "High limit of a:b"),
        ("silence:*", "No readings"),
        ("silence:flow", "No readings of flow"),
        ("stuck:RPM", "RPM is stuck"),
        ("something new", "something new"),
    ],
)
def test_conditions_have_titles(condition: str, title: str) -> None:
    assert condition_title(condition, AssetSettings()) == title


@pytest.mark.parametrize("date", ["", "2026-13-01", "yesterday", "9999999-01-01", "2026-11-24\0", "0001-01-01"])
def test_a_day_that_is_none_is_no_day(date: str) -> None:
    assert midnight_ns(date) is None or date == "0001-01-01"


def test_times_leave_out_what_is_plain() -> None:
    noon = midnight_ns("2026-06-15")
    assert noon is not None
    noon += 12 * 3600 * NS
    assert moment(noon, noon + NS) == "12:00:00"
    assert moment(noon, noon + 3 * DAY_NS) == "15 Jun 12:00"
    assert moment(noon, noon + 300 * DAY_NS) == "15 Jun 2026 12:00"
