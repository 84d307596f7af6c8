"""A broken promise is said wherever somebody looks, until its alarms were called right; so is a raised threshold."""

import re
from pathlib import Path

import pytest
from console_process import ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect
from seeded_plant import PUMP_1, PUMP_3, TANK  # type: ignore[import-not-found]
from seeded_records import HOUR_NS, SeededRecords, learned_alarm, over  # type: ignore[import-not-found]

from iot_edge_anomaly.console.budget.span import worst_first
from iot_edge_anomaly.console.budget.words import broken_words, is_broken, promise_words
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.views.budget import WEEK_SECONDS, budget
from iot_edge_anomaly.views.promise import Promise, promise
from iot_edge_anomaly.views.records import LearnedAlarms

FIGURES = re.compile(
    r"Promise broken: promised 1 a week; \d+ in the last (3\.9|4) weeks of watching that nobody called"
)


def of(unjudged: int, weeks: float = 4.0) -> Promise:
    return promise(LearnedAlarms(TANK, 0, 0, unjudged, weeks * WEEK_SECONDS), 1.0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (of(10), "promise broken: promised 1 a week; 10 in the last 4 weeks of watching that nobody called right"),
        (of(3), "promise kept: promised 1 a week; 3 in the last 4 weeks of watching that nobody called right"),
        (of(0, 1 / 7), "promise not yet verifiable: promised 1 a week; 0 in the last 24 hours of watching"),
    ],
)
def test_a_promise_in_words(found: Promise, said: str) -> None:
    assert promise_words(found) == said


def test_how_many_are_broken() -> None:
    assert [broken_words([of(10)] * count) for count in range(3)] == ["", "1 promise broken", "2 promises broken"]
    assert (is_broken(of(10)), is_broken(of(9)), is_broken(None)) == (True, False, False)


def test_assets_whose_promise_is_broken_come_first() -> None:
    learned = [
        LearnedAlarms(key, 0, wrong, 0, 4 * WEEK_SECONDS) for key, wrong in ((PUMP_1, 30), (PUMP_3, 0), (TANK, 9))
    ]
    lines = budget(learned, lambda _: 1.0).assets
    assert [line.key for line in worst_first(lines)] == [PUMP_1, TANK, PUMP_3]
    assert [line.key for line in worst_first(lines, broken=[PUMP_3])] == [PUMP_3, PUMP_1, TANK]
    assert [line.key for line in worst_first(lines, "pump-", broken=[TANK])] == [PUMP_1, PUMP_3]


@pytest.mark.system
def test_a_broken_promise_is_said_until_its_alarms_were_right(own_console: ConsoleProcess, page: Page) -> None:
    told, now_ns = SeededRecords(Path(own_console.log).parent), SystemClock().now_ns()
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/budget")
    row = page.locator(".budget-row", has=page.get_by_role("link", name="tank-1", exact=True))
    expect(row).to_contain_text("Promise kept: promised 1 a week")
    names = [f"B{number}" for number in range(12)]
    for number, name in enumerate(names):
        told.alarms(TANK, *over(learned_alarm(name, now_ns - (number + 2) * HOUR_NS)))
    expect(row).to_contain_text(FIGURES)
    expect(page.locator(".budget-row").first).to_contain_text("tank-1")
    expect(page.get_by_role("heading", name="a promise broken: what helps")).to_be_visible()
    page.goto(own_console.url)
    expect(page.get_by_text("1 promise broken")).to_be_visible()
    page.locator(".broken-rows").get_by_role("link", name="tank-1").click()
    region = page.get_by_role("region", name="False alarms")
    expect(region).to_contain_text(FIGURES)
    for name in names:
        told.judge(TANK, name, True, "ben", "a leak, each time", now_ns)
    expect(region).to_be_hidden()
    page.goto(f"{own_console.url}/budget")
    expect(row).to_contain_text("Promise kept: promised 1 a week")


@pytest.mark.system
def test_a_threshold_that_verdicts_raised_is_on_the_pages(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.get_by_role("link", name=re.compile("^Flow 57.1")).click()
    page.get_by_role("button", name="Wrong").click()
    page.goto(f"{own_console.url}/asset/{PUMP_1}")
    region = page.get_by_role("region", name="False alarms")
    expect(region).to_contain_text("Threshold raised to 1.18 by 1 verdict")
    expect(region).not_to_contain_text("Promise broken")
    region.get_by_role("link", name="False-alarm budget").click()
    row = page.locator(".budget-row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Threshold raised to 1.18 by 1 verdict")
