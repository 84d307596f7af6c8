"""Are we fine? One sheet, on a screen, on a phone, on paper."""

import re
from pathlib import Path

import pytest
from console_process import GUEST, ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect
from seen import LOOKS, fits, looked_at  # type: ignore[import-not-found]

pytestmark = pytest.mark.system

THE_ALARM = re.compile(r"/alarm/[^/]*pump-1-3$")
LEAK = "Flow 57.1 m³/h below what outlet pressure, speed and motor power predict"
PAGE_OBJECT = re.compile(rb"/Type\s*/Page[^s]")


def test_it_says_in_one_sentence_who_needs_somebody(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    expect(page.get_by_role("heading", name="2 of 7 assets need somebody")).to_be_visible()
    expect(page.locator(".are-we-fine")).to_contain_text("1 with an alarm that nobody has seen, 1 without data")
    page.get_by_role("link", name=LEAK).click()
    expect(page).to_have_url(THE_ALARM)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".one-alarm")).to_have_class(re.compile("acknowledged"))
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="1 of 7 assets needs somebody")).to_be_visible()


def test_each_count_leads_to_those_assets(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link(GUEST))
    for state, title in (("silent", "No data"), ("maintenance", "Maintenance"), ("normal", "Normal")):
        made = page.get_by_role("link", name=re.compile(rf"^{title}\s*\d+"))
        expect(made).to_have_attribute("href", f"/assets?state={state}")
    expect(page.get_by_role("link", name="Over, not acknowledged")).to_have_count(0)


def test_days_quality_time_and_budget_are_told_of_the_past(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    expect(page.locator(".day-chart canvas")).to_be_visible()
    expect(page.locator(".day-chart")).to_have_attribute("aria-label", re.compile(r"\d+ alarms in 14 days"))
    expect(page.locator(".quality tr", has_text="Rows: good")).to_contain_text("100 %")
    expect(page.locator(".quality tr", has_text="Values set aside")).to_contain_text(re.compile(r"[1-9]\d*"))
    expect(page.locator(".availability tr", has_text="Deliver data now")).to_contain_text("6 of 7 assets")
    expect(page.locator(".availability tr", has_text="in 7 days")).to_contain_text(re.compile(r"9\d\.\d %"))
    expect(page.locator(".fleet-budget")).to_contain_text(re.compile(r"\d+ judged wrong and \d+ not judged"))


def test_before_anything_came_in_it_leads_to_a_source_and_to_the_demo(
    console_of_nothing: ConsoleProcess, page: Page
) -> None:
    page.goto(console_of_nothing.link())
    expect(page.get_by_role("heading", name="Nothing has sent anything yet")).to_be_visible()
    expect(page.get_by_role("link", name="Connect a source")).to_have_attribute("href", "/connect")
    expect(page.get_by_text("iot-edge-anomaly up --demo")).to_be_visible()
    expect(page.locator(".sheet")).to_be_hidden()
    (Path(console_of_nothing.log).parent / "nothing").unlink()
    expect(page.get_by_role("heading", name="2 of 7 assets need somebody")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing has sent anything yet")).to_be_hidden()


def test_without_records_the_present_is_shown_and_the_rest_is_said(
    console_without_records: ConsoleProcess, page: Page
) -> None:
    page.goto(console_without_records.link())
    expect(page.get_by_role("heading", name="2 of 7 assets need somebody")).to_be_visible()
    expect(page.get_by_text("The record of past days is not here yet")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_prints_on_one_sheet(console: ConsoleProcess, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(console.link())
    expect(page.locator(".day-chart canvas")).to_be_visible()
    expect(page.locator(".fleet-budget")).to_contain_text("judged wrong")
    assert len(PAGE_OBJECT.findall(page.pdf(format="A4"))) == 1


def test_a_crowd_is_counted_not_listed(own_console: ConsoleProcess, page: Page) -> None:
    (Path(own_console.log).parent / "crowd").touch()
    page.goto(own_console.link())
    expect(page.get_by_role("heading", name="2 of 209 assets need somebody")).to_be_visible()
    assert page.locator("main *").count() < 400
    assert fits(page)


def test_leaving_at_once_is_no_error(own_console: ConsoleProcess, page: Page) -> None:
    """The fixture asserts that no traceback is in the log."""
    page.goto(own_console.link())
    for _ in range(6):
        page.goto(own_console.url, wait_until="commit")
        page.goto(f"{own_console.url}/alarms", wait_until="commit")
    expect(page.get_by_role("heading", name="Alarms")).to_be_visible()


def test_the_keyboard_skips_to_the_content_and_opens_the_first_alarm(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    expect(page.get_by_role("link", name=LEAK)).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className").startswith("urgent-row"):
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(THE_ALARM)


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_nothing_serious_stands_in_anybodys_way(console: ConsoleProcess, page: Page, scheme: str, size: str) -> None:
    with looked_at(page, scheme, size):
        page.goto(console.link())
        expect(page.locator(".day-chart canvas")).to_be_visible()
        expect(page.locator(".fleet-budget")).to_contain_text("judged wrong")
