"""A person at the page: a real browser, a real server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ANNA, GUEST, ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = pytest.mark.system

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PUMP = "/asset/demo/station-1/pumping/line-1/pump-1"
CALM = "/asset/demo/station-1/pumping/line-1/tank-1"
REASON = "Flow 57.1 m³/h below what outlet pressure, speed and motor power predict"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no chromium here; run: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not complain, nor ask anybody but our own server for anything."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if "//127.0.0.1:" not in request.url else None)
    yield page
    page.close()
    assert [c for c in complaints if not c.startswith(("data:", "blob:"))] == []


def test_sign_in_see_an_alarm_acknowledge_it(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.url)
    page.get_by_label("Sign in with a token").fill(own_console.tokens.create_sign_in(ANNA))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=REASON)).to_be_visible()
    card = page.locator("article.alarm")
    expect(card).to_contain_text("not acknowledged")
    expect(card.locator("tr").first).to_contain_text(re.compile("Flow.*52%.*47.1 m³/h.*expected 104 m³/h"))
    expect(page.locator(".chart canvas")).to_be_visible()
    card.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged", exact=True)).to_be_visible()
    expect(card).to_have_class(re.compile("acknowledged"))
    expect(card.get_by_role("button", name="Acknowledge")).to_be_hidden()
    expect(page.locator(".asset").first).to_contain_text("Alarm, acknowledged")


def test_keyboard_alone_shelves_and_brings_back(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP)
    shelve = page.get_by_role("button", name="Shelve 1 h")
    shelve.focus()
    since = page.locator("article .since")
    for _ in range(2):  # the focus must outlive updates
        expect(since).not_to_have_text(str(since.text_content()))
    expect(shelve).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("article.alarm")).to_contain_text("shelved")
    page.get_by_role("button", name="Unshelve").focus()
    page.keyboard.press("Space")
    expect(page.locator("article.alarm")).to_contain_text("not acknowledged")


def test_maintenance_and_verdict(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP)
    page.get_by_role("button", name="Wrong").click()
    expect(page.get_by_text("Noted: a false alarm")).to_be_visible()
    page.get_by_role("button", name="Maintenance 1 h").click()
    expect(page.locator(".heading .state")).to_have_text("Maintenance")
    page.get_by_role("button", name="End maintenance").click()
    expect(page.locator(".heading .state")).to_have_text("Alarm")


def test_what_cannot_be_done_is_said_and_nothing_changes(console_without_bus: ConsoleProcess, page: Page) -> None:
    page.goto(console_without_bus.link())
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("the bus is down; nothing was changed")).to_be_visible()
    expect(page.locator("article.alarm")).to_contain_text("not acknowledged")


def test_a_guest_sees_but_cannot_act_and_nobody_sees_other_tenants(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link(GUEST))
    expect(page.locator("article.alarm")).to_be_visible()
    for name in ("Acknowledge", "Shelve 1 h", "Maintenance 1 h", "Right"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.locator(".assets .asset")).to_have_count(7)
    page.goto(f"{console.url}/asset/rival/secret/pump")
    expect(page.locator(".assets .asset")).to_have_count(7)
    expect(page.locator(".pane")).to_have_count(0)


def test_a_sensor_that_is_chosen_comes_onto_the_chart(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(console.url + CALM)
    name = page.get_by_role("button", name="Bearing temperature")
    name.click()
    expect(name).to_have_attribute("aria-pressed", "true")
    expect(page.locator("tr.shown")).to_contain_text("Bearing temperature")


def test_learning_and_unknown_assets_say_what_is_going_on(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP.replace("pump-1", "pump-2"))
    expect(page.locator(".waiting")).to_contain_text(re.compile(r"Learning: \d+%, about \d+ s left"))
    page.goto(own_console.url + PUMP.replace("pump-1", "pump-9"))
    expect(page.locator(".waiting")).to_contain_text("Nothing has come in from demo/station-1/pumping/line-1/pump-9")


def test_a_phone_shows_list_then_asset_and_never_scrolls_sideways(console: ConsoleProcess, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(console.link())
    expect(page.locator(".assets")).to_be_visible()
    expect(page.locator(".pane")).to_be_hidden()
    page.locator(".asset").first.click()
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator(".assets")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("link", name="All assets").click()
    expect(page.locator(".assets")).to_be_visible()


def test_colours_follow_the_system_until_chosen_and_the_choice_is_kept(console: ConsoleProcess, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(console.link())
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    page.get_by_role("button", name="Colours: auto").click()
    expect(page.locator("body")).to_have_class(re.compile("body--light"))
    page.wait_for_function("document.cookie.includes('theme=light')")
    page.reload()
    expect(page.get_by_role("button", name="Colours: light")).to_be_visible()
    expect(page.locator("body")).to_have_class(re.compile("body--light"))


def test_a_revoked_session_leads_back_to_the_sign_in_page(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    expect(page.locator(".asset").first).to_be_visible()
    session = next(c["value"] for c in page.context.cookies() if "session" in c["name"])
    console.tokens.revoke(session.split("_")[1])
    expect(page.get_by_label("Sign in with a token")).to_be_visible(timeout=15_000)
