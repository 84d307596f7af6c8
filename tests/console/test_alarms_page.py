"""A person at the list of alarms: find, share, open, act, alone with the keyboard, on a phone."""

import re
from pathlib import Path

import pytest
from console_process import GUEST, ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Locator, Page, expect
from seeded_past import ALARMS, tell_past  # type: ignore[import-not-found]
from seeded_records import SeededRecords  # type: ignore[import-not-found]
from seen import LOOKS, fits, looked_at  # type: ignore[import-not-found]

from iot_edge_anomaly.core.clock import SystemClock

pytestmark = pytest.mark.system

LEAK = "Flow 57.1 m³/h below what outlet pressure, speed and motor power predict"
OPEN_NOW = 2
OVER_OF_PUMP_1 = 1
SHOWN = 40


def entries(page: Page) -> Locator:
    return page.locator(".entry")


def opened(page: Page, name: str) -> Locator:
    """The entry of an alarm, unfolded."""
    entry = page.locator(".entry", has=page.get_by_role("button", name=name, exact=True)).first
    entry.get_by_role("button", name=name, exact=True).click()
    expect(entry.locator(".detail")).to_be_visible()
    return entry


def test_the_whole_history_is_listed_page_by_page(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Alarms").click()
    expect(entries(page)).to_have_count(SHOWN)
    expect(entries(page).first).to_contain_text(LEAK)
    page.get_by_role("link", name="Older").click()
    expect(entries(page)).to_have_count(ALARMS + OPEN_NOW + OVER_OF_PUMP_1 - SHOWN)
    expect(page.get_by_role("link", name="Older")).to_be_hidden()
    page.go_back()
    expect(entries(page)).to_have_count(SHOWN)
    expect(page.get_by_text("secret")).to_have_count(0)


def test_what_is_searched_stands_in_the_address(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/alarms")
    page.get_by_text("More filters").click()
    page.get_by_label("Priority").select_option("High")
    page.get_by_label("Verdict").select_option("Wrong")
    page.get_by_label("Words").fill("INFLOW level")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{console.url}/alarms?words=INFLOW+level&priority=high&verdict=wrong")
    wrong = [number for number in range(0, ALARMS, 4) if number % 3 == 2]
    expect(entries(page)).to_have_count(len(wrong))
    expect(entries(page).first).to_contain_text("false alarm")
    page.reload()
    expect(entries(page)).to_have_count(len(wrong))
    expect(page.get_by_label("Words")).to_have_value("INFLOW level")
    expect(page.get_by_label("Priority")).to_have_value("high")
    page.go_back()
    expect(entries(page)).to_have_count(SHOWN)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("?state=open", OPEN_NOW),
        ("?state=unacknowledged", 1),
        ("?state=acknowledged", 1),
        ("?state=hidden", 0),
        ("?state=over&priority=high&words=spins", 0),
        ("?prefix=demo/station-1/pumping/line-1/pump-1", OPEN_NOW),
        ("?prefix=demo/station-1/pump", 0),
        ("?words=T49", 1),
        ("?span=1d", OPEN_NOW + OVER_OF_PUMP_1 + 1),
        ("?since=2020-01-01&until=2020-12-31", 0),
        ("?state=nonsense&span=forever&since=yesterday&before=x~&words=T49", 1),
        ("?words=%25_%27%22%00", 0),
    ],
)
def test_each_filter_finds_what_it_says(console: ConsoleProcess, page: Page, asked: str, count: int) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/alarms{asked}")
    if count:
        expect(entries(page)).to_have_count(count)
    else:
        expect(page.get_by_text("No alarm is like that.")).to_be_visible()
        expect(entries(page)).to_have_count(0)


def test_a_search_that_is_too_long_is_said(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/alarms?words={'a+' * 60}")
    expect(page.get_by_text("That is too long to search for")).to_be_visible()


def test_an_alarm_opens_in_place_and_tells_all(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/alarms?words=T48")
    detail = opened(page, "Level 0.31 m below what inflow and outflow predict").locator(".detail")
    expect(detail).to_contain_text("Score 1.60; above 1.00 is an alarm")
    expect(detail.locator(".shares tr").first).to_contain_text(re.compile("Vibration.*80%.*3.00 mm/s.*expected 1.90"))
    expect(detail.locator(".events tr")).to_have_count(3)
    expect(detail.locator(".events tr").nth(1)).to_contain_text(re.compile("Acknowledged.*ben: on my way"))
    expect(detail).to_contain_text(re.compile(r"A false alarm, says ben \(.*\): pump was being flushed"))
    then = detail.get_by_role("link", name="The asset at that time")
    expect(then).to_have_attribute("href", re.compile(r"/asset/demo/station-1/pumping/line-1/tank-1\?at=\d{19}$"))
    detail.get_by_role("link", name="Only this alarm, and similar ones").click()
    expect(page).to_have_url(f"{console.url}/alarm/T48")
    expect(page.get_by_role("heading", name="Level 0.31 m below")).to_be_visible()
    expect(page.get_by_role("heading", name="Similar alarms of this asset before")).to_be_visible()
    expect(page.locator(".others .entry")).to_have_count(8)


def test_acknowledge_judge_and_shelve_in_place(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/alarms?words=pump-1")
    entry = opened(page, LEAK)
    entry.get_by_role("button", name="Acknowledge").click()
    expect(entry.locator(".about")).to_contain_text("acknowledged")
    expect(entry.locator(".events tr").nth(1)).to_contain_text(re.compile("Acknowledged.*anna"))
    entry.get_by_label("Note").fill("valve was half shut")
    entry.get_by_role("button", name="Wrong").click()
    expect(entry.locator(".verdict-given")).to_contain_text("A false alarm, says anna")
    expect(entry.locator(".verdict-given")).to_contain_text("valve was half shut")
    expect(entry.get_by_role("button", name="Wrong")).to_have_attribute("aria-pressed", "true")
    entry.get_by_role("button", name="Shelve…").click()
    dialog = page.get_by_role("dialog", name="Shelve")
    dialog.get_by_label("Why").fill("waits for a spare part")
    dialog.get_by_label("For").select_option("8 hours, a shift")
    dialog.get_by_role("button", name="Shelve").click()
    expect(entry.locator(".about")).to_contain_text("shelved")
    expect(entry.locator(".events tr").last).to_contain_text("anna: waits for a spare part")
    entry.get_by_role("button", name="Unshelve").click()
    expect(entry.locator(".about")).to_contain_text("not acknowledged")


def test_the_keyboard_alone_opens_and_shelves(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/alarms?state=open")
    page.get_by_role("button", name=LEAK).focus()
    page.keyboard.press("Enter")
    shelve = page.get_by_role("button", name="Shelve…")
    expect(shelve).to_be_visible()
    shelve.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(shelve).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()  # a reason is asked for
    page.keyboard.type("cleaning")
    page.keyboard.press("Enter")
    expect(page.locator(".entry.shelved")).to_have_count(1)


def test_many_are_chosen_and_judged_at_once(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/alarms?state=over&verdict=none&span=30d")
    boxes = page.get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(1).check()
    bulk = page.get_by_role("group", name="All that are chosen")
    expect(bulk).to_contain_text("2 chosen")
    bulk.get_by_role("button", name="All on this page").click()
    count = boxes.count()
    expect(bulk).to_contain_text(f"{count} chosen")
    bulk.get_by_label("Note").fill("a day of tests")
    bulk.get_by_role("button", name="Wrong").click()
    expect(page.get_by_text(f"Noted: a false alarm: {count} of {count}")).to_be_visible()
    expect(bulk).to_be_hidden()
    expect(page.get_by_text("No alarm is like that.")).to_be_visible()
    page.get_by_role("link", name="False alarms").click()
    expect(page.locator(".verdict-badge", has_text="false alarm").first).to_be_visible()


def test_what_cannot_be_done_is_said(console_without_bus: ConsoleProcess, page: Page) -> None:
    page.goto(console_without_bus.link())
    page.goto(f"{console_without_bus.url}/alarms?state=open")
    expect(page.get_by_text("what you see is how things were")).to_be_visible()
    expect(entries(page)).to_have_count(OPEN_NOW)
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("group", name="All that are chosen").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("the bus is down; nothing was changed")).to_be_visible()
    expect(page.locator(".entry.unacknowledged")).to_have_count(1)


def test_a_guest_reads_but_finds_nothing_to_press(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link(GUEST))
    page.goto(f"{console.url}/alarms?state=open")
    opened(page, LEAK)
    for name in ("Acknowledge", "Shelve…", "Right", "Wrong"):
        expect(page.locator("main").get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)


def test_nobody_reads_alarms_of_other_tenants(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/alarm/TX")
    expect(page.get_by_text("There is no alarm TX")).to_be_visible()
    page.goto(f"{console.url}/alarms?words=secret")
    expect(page.get_by_text("No alarm is like that.")).to_be_visible()


def test_without_records_open_alarms_are_shown_and_the_rest_when_it_comes(
    console_without_records: ConsoleProcess, page: Page
) -> None:
    page.goto(console_without_records.link())
    page.goto(f"{console_without_records.url}/alarms")
    expect(page.get_by_text("The record of past alarms is not here yet")).to_be_visible()
    expect(entries(page)).to_have_count(OPEN_NOW)
    opened(page, LEAK)
    tell_past(SeededRecords(Path(console_without_records.log).parent), SystemClock().now_ns())
    expect(entries(page)).to_have_count(SHOWN)
    expect(page.get_by_text("The record of past alarms is not here yet")).to_be_hidden()
    expect(page.locator(".detail")).to_be_visible()  # what was open stays open


def test_a_phone_shows_an_alarm_without_scrolling_sideways(console: ConsoleProcess, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(console.link())
    page.goto(f"{console.url}/alarms?words=T48")
    opened(page, "Level 0.31 m below what inflow and outflow predict")
    assert fits(page)
    page.get_by_text("More filters").click()
    assert fits(page)


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_nothing_serious_stands_in_anybodys_way(console: ConsoleProcess, page: Page, scheme: str, size: str) -> None:
    page.goto(console.link())
    with looked_at(page, scheme, size):
        page.goto(f"{console.url}/alarms?span=30d")
        opened(page, LEAK)
        page.get_by_role("checkbox").first.check()
        expect(page.get_by_role("group", name="All that are chosen")).to_be_visible()
    with looked_at(page, scheme, size):
        page.get_by_role("button", name="Shelve…").click()
        expect(page.get_by_role("dialog")).to_be_visible()
    with looked_at(page, scheme, size):
        page.goto(f"{console.url}/alarm/T48")
        expect(page.locator(".others .entry").first).to_be_visible()
