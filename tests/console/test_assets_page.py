"""The page of all assets: a real browser, a real server."""

import re

import pytest
from console_process import GUEST, ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect
from seen import LOOKS, fits, looked_at  # type: ignore[import-not-found]

pytestmark = pytest.mark.system

ROWS = ".rows .asset"
PUMP = "/asset/demo/station-1/pumping/line-1/pump-1"


@pytest.fixture
def crowded(own_console: ConsoleProcess, page: Page) -> ConsoleProcess:
    """209 assets in five sites."""
    (own_console.log.parent / "crowd").touch()
    page.goto(own_console.link())
    return own_console


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_the_page_is_fit_for_all(console: ConsoleProcess, page: Page, scheme: str, size: str) -> None:
    page.goto(console.link())
    with looked_at(page, scheme, size):
        page.goto(f"{console.url}/assets")
        expect(page.locator(ROWS)).to_have_count(7)
        expect(page.locator(ROWS).first).to_contain_text("pump-1")
        if size == "phone":
            page.get_by_role("button", name="Places").click()
        expect(page.get_by_role("link", name="line-1, worst: Alarm, 2 of 7")).to_be_visible()


def test_worst_first_and_each_with_its_reason(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/assets")
    names = page.locator(".rows .name")
    expect(names).to_have_text(["pump-1", "pump-3", "meter", "old", "pump-2", "valve-house", "tank-1"])
    expect(page.locator(ROWS).nth(1)).to_contain_text("Vibration 4.62 mm/s above its high limit of 4.5 mm/s")
    expect(page.locator(ROWS).nth(4)).to_contain_text(re.compile(r"Learning: \d+%|being fitted"))


def test_a_new_state_shows_and_moves_the_row_and_the_focus_stays(
    own_console: ConsoleProcess, browser: Browser, page: Page
) -> None:
    page.goto(own_console.link())
    page.goto(f"{own_console.url}/assets")
    names = page.locator(".rows .name")
    expect(names.first).to_have_text("pump-1")
    page.locator(ROWS).first.focus()
    other = browser.new_page()
    other.goto(own_console.link())
    other.goto(own_console.url + PUMP)
    other.get_by_role("button", name="Maintenance…").click()
    other.get_by_role("dialog").get_by_label("Why").fill("new seal")
    other.get_by_role("button", name="Begin").click()
    expect(names).to_have_text(["pump-3", "meter", "pump-1", "old", "pump-2", "valve-house", "tank-1"])
    other.close()
    expect(page.locator(ROWS).nth(2)).to_contain_text(re.compile("In maintenance for (60|59.9) min more"))
    expect(page.locator(ROWS).nth(2)).to_be_focused()


def test_states_and_places_narrow_the_list_and_stand_in_the_address(crowded: ConsoleProcess, page: Page) -> None:
    page.goto(f"{crowded.url}/assets")
    expect(page.get_by_role("status").filter(has_text="209 of 209 assets")).to_be_visible()
    page.get_by_role("link", name="hall-2, worst: Normal, 50").click()
    expect(page.get_by_text("50 of 209 assets")).to_be_visible()
    page.get_by_role("link", name="in demo/hall-2; show all places").click()
    page.get_by_role("link", name="Normal 203").click()
    expect(page).to_have_url(re.compile(r"/assets\?state=normal$"))
    page.get_by_role("link", name="hall-0, worst: Normal, 50").click()
    expect(page).to_have_url(re.compile(r"state=normal&under=demo%2Fhall-0$"))
    page.reload()
    expect(page.get_by_text("50 of 209 assets")).to_be_visible()
    expect(page.get_by_role("link", name="hall-0, worst: Normal, 50")).to_have_attribute("aria-current", "true")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("?state=alarm", ["pump-1"]),
        ("?state=alarm,acknowledged", ["pump-1", "pump-3"]),
        ("?under=demo/station-1/pumping&words=nothing%20come", ["meter"]),
        ("?state=nonsense&under=demo&words=TANK", ["tank-1"]),
    ],
)
def test_links_lead_to_what_they_name(console: ConsoleProcess, page: Page, asked: str, names: list[str]) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/assets{asked}")
    expect(page.locator(".rows .name")).to_have_text(names)


def test_what_finds_nothing_says_so_and_leads_back(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}/assets?words=nowhere&under=%3Cscript%3E")
    expect(page.get_by_text("No asset is like that.")).to_be_visible()
    page.get_by_role("link", name="Show all assets").click()
    expect(page.locator(ROWS)).to_have_count(7)


def test_the_tree_is_walked_with_arrow_keys(crowded: ConsoleProcess, page: Page) -> None:
    page.goto(f"{crowded.url}/assets")
    hall = page.get_by_role("button", name="What is in hall-1")
    expect(hall).to_have_attribute("aria-expanded", "true")
    page.get_by_role("link", name="hall-1, worst").focus()
    page.keyboard.press("ArrowLeft")
    expect(hall).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="hall-2, worst")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(hall).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="presses, worst: Normal, 50").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("50 of 209 assets")).to_be_visible()


def test_many_assets_take_few_elements_until_more_are_asked_for(crowded: ConsoleProcess, page: Page) -> None:
    page.goto(f"{crowded.url}/assets")
    expect(page.locator(ROWS)).to_have_count(40)
    assert page.locator(".content *").count() < 700
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(ROWS)).to_have_count(80)
    for shown in (120, 160, 200):
        page.get_by_role("button", name="Show more").click()
        expect(page.locator(ROWS)).to_have_count(shown)
    expect(page.get_by_text("9 more: search, or choose a place or a state")).to_be_visible()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 390])
def test_among_two_hundred_assets_one_is_found_and_stays_in_sight(
    crowded: ConsoleProcess, page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{crowded.url}/assets")
    expect(page.locator(ROWS)).to_have_count(40)
    assert fits(page)
    page.get_by_label("Find an asset").fill("PRESS-17")
    expect(page.locator(ROWS)).to_have_count(10)
    page.get_by_label("Find an asset").fill("ofen")
    expect(page.locator(ROWS)).to_have_count(1)
    page.locator(ROWS).click()
    expect(page.get_by_role("heading", name="🔥 Ofen 3")).to_be_in_viewport()
    page.goto(f"{crowded.url}{PUMP.replace('pump-1', 'x' * 120)}")
    expect(page.get_by_role("heading", name="x" * 120)).to_be_in_viewport()
    assert fits(page)


def test_a_guest_sees_the_own_tenant_alone(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link(GUEST))
    page.goto(f"{console.url}/assets")
    expect(page.locator(ROWS)).to_have_count(7)
    expect(page.get_by_text("rival")).to_have_count(0)


def test_a_phone_shows_list_then_asset_and_leads_back(console: ConsoleProcess, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(console.link())
    page.get_by_role("navigation").get_by_role("link", name="Assets").click()
    expect(page.locator(".rows")).to_be_visible()
    page.locator(ROWS).first.click()
    expect(page.locator(".chart canvas").first).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name="All assets").click()
    expect(page.locator(".rows")).to_be_visible()
