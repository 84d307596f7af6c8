"""Promised against realised: who is over, whose word moved it, and that a verdict is seen at once."""

import re

import pytest
from console_process import ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect
from seen import LOOKS, looked_at  # type: ignore[import-not-found]

pytestmark = pytest.mark.system

THE_ALARM = re.compile(r"/alarm/[^/]*pump-1-3$")
LEAK = "Flow 57.1 m³/h below what outlet pressure, speed and motor power predict"


def test_a_verdict_moves_the_page_that_is_open(own_console: ConsoleProcess, browser: Browser, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/budget")
    row = page.locator(".budget-row", has=page.get_by_role("link", name="pump-1", exact=True))
    expect(row).to_contain_text("0 realised")
    expect(row).to_contain_text("0 judged wrong and 2 not judged")
    other = browser.new_page()
    other.goto(own_console.link())
    other.get_by_role("link", name=LEAK).click()
    other.get_by_label("Note").fill("a valve was tested")
    other.get_by_role("button", name="Wrong").click()
    expect(row).to_contain_text("1 judged wrong and 1 not judged")
    expect(row).to_contain_text(re.compile(r"0\.2[56] realised"))
    newest = page.locator(".said-row").first
    expect(newest).to_contain_text(re.compile("false alarm.*pump-1.*anna.*a valve was tested"))
    newest.get_by_role("link").click()
    expect(page).to_have_url(THE_ALARM)
    other.close()


def test_who_is_over_comes_first_and_it_is_said_what_helps(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/budget")
    page.get_by_role("link", name="12 weeks").click()
    expect(page).to_have_url(f"{console.url}/budget?weeks=12")
    first = page.locator(".budget-row").first
    expect(first).to_contain_text(re.compile("tank-1.*over budget.*13 judged wrong in 6.[01] weeks"))
    expect(page.get_by_role("heading", name="Over budget, or a promise broken: what helps")).to_be_visible()
    expect(page.locator(".fleet")).to_contain_text("Counted over the last 12 weeks")
    page.get_by_label("Asset or place").fill("pump-3")
    page.keyboard.press("Enter")
    expect(page.locator(".budget-row")).to_have_count(1)
    expect(page).to_have_url(f"{console.url}/budget?weeks=12&words=pump-3")
    page.get_by_role("link", name=re.compile("^Judge 1")).click()
    expect(page).to_have_url(re.compile(r"/alarms\?prefix=demo%2Fstation-1%2Fpumping%2Fline-1%2Fpump-3&verdict=none"))
    expect(page.locator(".entry").first).to_be_visible()


def test_nobody_sees_other_tenants(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/budget?weeks=nonsense&first=-3")
    expect(page.locator(".budget-row")).to_have_count(3)
    expect(page.get_by_text("secret")).to_have_count(0)


def test_behind_the_last_asset_there_is_a_way_back(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/budget?first=25")
    expect(page.locator(".fleet")).to_be_visible()
    expect(page.locator(".budget-row")).to_have_count(0)
    page.get_by_role("link", name="Worst").click()
    expect(page.locator(".budget-row")).to_have_count(3)


def test_without_records_it_says_so(console_without_records: ConsoleProcess, page: Page) -> None:
    page.goto(console_without_records.link())
    page.goto(f"{console_without_records.url}/budget")
    expect(page.get_by_text("The record of past alarms is not here yet")).to_be_visible()


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_nothing_serious_stands_in_anybodys_way(console: ConsoleProcess, page: Page, scheme: str, size: str) -> None:
    page.goto(console.link())
    with looked_at(page, scheme, size):
        page.goto(f"{console.url}/budget?weeks=12")
        expect(page.locator(".budget-row")).to_have_count(3)
        expect(page.locator(".said-row").first).to_be_visible()
