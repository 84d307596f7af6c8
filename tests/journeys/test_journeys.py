"""People at the whole system: real devices, processes, streams and browser. Nothing is made up but who they are."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from plant_broker import plant_broker  # type: ignore[import-not-found]
from playwright.sync_api import Locator, Page, expect
from whole_demo import CALM_BAR, HIGH_BAR, PUMP_1, WholeDemo, until  # type: ignore[import-not-found]

pytestmark = [pytest.mark.system, pytest.mark.server, pytest.mark.timeout(150)]

Sit = Callable[[str, str], Page]
looks = pytest.mark.parametrize(("size", "colours"), [("desktop", "light"), ("phone", "dark")])
TOO_HIGH = re.compile("Pressure.* above")
PRESS = "acme/site-2/line-1/press-1"
MOST_LOOKS = 10
GRAVE = ("serious", "critical")


def pressed_alarm(demo: WholeDemo, asset: str) -> None:
    """Let a press send calm rows, then rows that are beyond its limit."""
    demo.send(asset, [CALM_BAR] * 20)
    demo.send(asset, [HIGH_BAR] * 2)


def alarm_of(page: Page, demo: WholeDemo, asset: str) -> Locator:
    """Find the alarm of an asset in the list, and open it."""
    page.goto(f"{demo.url}/alarms?prefix={asset}")
    entry = page.locator(".entry").first
    entry.locator("button.why").click()
    expect(entry.locator(".detail")).to_be_visible()
    return entry


@looks
def test_the_link_of_the_first_start_lets_in_and_a_stranger_stays_out(
    demo: WholeDemo, sit: Sit, size: str, colours: str
) -> None:
    page = sit(size, colours)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{demo.url}/alarms")
    page.get_by_label("Sign in with a token").fill(demo.first_link.partition("token=")[2][:-4] + "AAAA")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That token is not valid any more")).to_be_visible()
    page.get_by_label("Sign in with a token").fill(demo.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Alarms")).to_be_visible()  # the page that was wanted


@looks
def test_an_alarm_arises_before_ones_eyes_is_understood_and_acknowledged(
    demo: WholeDemo, sit: Sit, size: str, colours: str
) -> None:
    asset = f"acme/site-1/line-1/press-{size}"
    demo.send(asset, [CALM_BAR] * 20)
    page = sit(size, colours)
    page.goto(f"{demo.url}/asset/{asset}")
    expect(page.locator(".chart canvas").first).to_be_visible()
    expect(page.locator("article.alarm")).to_have_count(0)
    demo.send(asset, [HIGH_BAR] * 2)
    card = page.locator("article.alarm")
    expect(card).to_contain_text(TOO_HIGH)
    expect(card).to_contain_text("not acknowledged")
    expect(page.get_by_role("status").filter(has_text="with an alarm")).to_be_visible()
    card.get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text(re.compile("(?<!not )acknowledged"))
    entry = alarm_of(page, demo, asset)
    expect(entry.locator(".events tr").nth(1)).to_contain_text(re.compile("Acknowledged.*owner"))
    expect(entry.locator(".detail")).to_contain_text("9.00 bar")


@looks
def test_an_alarm_is_put_out_of_sight_with_a_reason_and_an_end(
    demo: WholeDemo, sit: Sit, size: str, colours: str
) -> None:
    asset = f"acme/site-1/line-2/press-{size}"
    pressed_alarm(demo, asset)
    page = sit(size, colours)
    entry = alarm_of(page, demo, asset)
    entry.get_by_role("button", name="Shelve…").click()
    dialog = page.get_by_role("dialog", name="Shelve")
    dialog.get_by_label("Why").fill("waits for a spare part")
    dialog.get_by_label("For").select_option("4 hours")
    dialog.get_by_role("button", name="Shelve").click()
    expect(entry.locator(".about")).to_contain_text("shelved")
    expect(entry.locator(".events tr").last).to_contain_text("owner: waits for a spare part")
    entry.get_by_role("button", name="Unshelve").click()
    expect(entry.locator(".about")).not_to_contain_text("shelved")


@looks
def test_an_asset_in_maintenance_raises_no_alarm_until_it_is_over(
    demo: WholeDemo, sit: Sit, size: str, colours: str
) -> None:
    asset = f"acme/site-1/line-3/press-{size}"
    demo.send(asset, [CALM_BAR] * 20)
    page = sit(size, colours)
    page.goto(f"{demo.url}/asset/{asset}")
    page.get_by_role("button", name="Maintenance…").click()
    dialog = page.get_by_role("dialog", name="Maintenance")
    dialog.get_by_label("Why").fill("new seals")
    dialog.get_by_label("For").select_option("4 hours")
    dialog.get_by_role("button", name="Begin").click()
    state = page.locator(".heading .state")
    expect(state).to_have_text("Maintenance")
    demo.send(asset, [HIGH_BAR] * 2)
    expect(page.locator(".sensors tr", has_text="Pressure")).to_contain_text("9.00")
    expect(state).to_have_text("Maintenance")
    expect(page.locator("article.alarm")).to_have_count(0)
    page.get_by_role("button", name="End maintenance").click()
    expect(state).not_to_have_text("Maintenance")
    demo.send(asset, [HIGH_BAR] * 2)
    expect(state).to_have_text("Alarm")


@looks
def test_a_learned_alarm_says_why_and_a_verdict_is_kept(demo: WholeDemo, sit: Sit, size: str, colours: str) -> None:
    page = sit(size, colours)
    page.goto(f"{demo.url}/asset/{PUMP_1}")
    expect(page.locator("article.alarm h3").first).to_contain_text("predict", timeout=90_000)
    entry = alarm_of(page, demo, PUMP_1)
    shares = entry.locator(".shares tr")
    expect(shares.first).to_contain_text(re.compile(r"Flow.*\d+%.*m³/h.*expected"))
    budget = sit(size, colours)
    budget.goto(f"{demo.url}/budget")
    row = budget.locator(".budget-row", has=budget.get_by_role("link", name="pump-1", exact=True))
    expect(row).to_contain_text("realised")
    said = budget.locator(".said-row", has_text="pump-1").first
    entry.get_by_role("button", name="Right").click()
    expect(row).to_contain_text("1 right")
    expect(said).to_contain_text("owner")
    entry.get_by_label("Note").fill(f"the valve was half shut ({size})")
    entry.get_by_role("button", name="Wrong").click()
    expect(row).to_contain_text("1 judged wrong")
    expect(said).to_contain_text(re.compile(rf"false alarm.*owner.*the valve was half shut \({size}\)"))
    expect(entry.locator(".verdict-given")).to_contain_text("A false alarm, says owner")


@looks
def test_a_broker_of_the_plant_is_connected_through_the_page(
    demo: WholeDemo, sit: Sit, size: str, colours: str, tmp_path: Path
) -> None:
    with plant_broker(tmp_path) as port:
        page = sit(size, colours)
        page.goto(f"{demo.url}/connect?by=broker")
        page.get_by_label("Port").fill(str(port))
        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_label("Pattern")).to_have_value("plant/{level2}/{asset}/{sensor}", timeout=20_000)
        page.get_by_label("Tenant").fill(f"works-{size}")
        row = page.locator(".messages tr", has_text="pump-9/flow")
        expect(row).to_contain_text(f"works-{size}/line-3/pump-9: flow = 12.")
        page.get_by_role("button", name="Save and connect").click()
        arrived = page.locator(".arrivals .row", has_text=f"works-{size}/line-3/pump-9")
        expect(arrived).to_contain_text(re.compile("learning", re.IGNORECASE), timeout=30_000)
        page.goto(f"{demo.url}/asset/works-{size}/line-3/pump-9")
        expect(page.get_by_role("heading", name="pump-9")).to_be_visible()


def test_what_came_in_is_exported_as_it_came(demo: WholeDemo, tmp_path: Path) -> None:
    asset, out = "acme/site-1/line-4/press-1", tmp_path / "readings.csv"
    demo.send(asset, [CALM_BAR, HIGH_BAR])
    demo.command("export", "readings", "--asset", asset, "--format", "csv", "--out", str(out))
    with out.open(newline="") as file:
        rows = [(row["sensor"], float(row["value"])) for row in csv.DictReader(file)]
    assert sorted(rows) == [("flow", 12.0), ("flow", 12.0), ("pressure", CALM_BAR), ("pressure", HIGH_BAR)]


@looks
def test_what_came_in_is_downloaded_from_the_page(
    demo: WholeDemo, sit: Sit, size: str, colours: str, tmp_path: Path
) -> None:
    asset = f"acme/site-1/line-5/press-{size}"
    demo.send(asset, [CALM_BAR, HIGH_BAR])
    page = sit(size, colours)
    page.goto(f"{demo.url}/asset/{asset}")
    page.get_by_role("button", name="Export…").click()
    dialog = page.get_by_role("dialog", name="Export")
    dialog.get_by_label("Time").select_option("Everything that is kept")
    with page.expect_download() as downloading:
        dialog.get_by_role("button", name="Download").click()
    downloading.value.save_as(tmp_path / "readings.csv")
    with (tmp_path / "readings.csv").open(newline="") as file:
        rows = [(row["sensor"], float(row["value"])) for row in csv.DictReader(file)]
    assert sorted(rows) == [("flow", 12.0), ("flow", 12.0), ("pressure", CALM_BAR), ("pressure", HIGH_BAR)]


def grave_faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{page.url} {fault['id']}: {fault['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"][:3]
    ]


def settle(page: Page) -> None:
    """Return once the page has its heading and grows no more, or has grown for long enough: it may be a live one."""
    expect(page.locator("#content :is(h1, h2):visible").first).to_be_visible(timeout=20_000)
    before = 0
    for _ in range(MOST_LOOKS):
        page.wait_for_timeout(300)  # polls
        now = page.evaluate("document.querySelectorAll('#content *').length")
        if now == before:
            return
        before = now


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_keeps_anybody_out_nor_scrolls_sideways(demo: WholeDemo, sit: Sit, size: str, colours: str) -> None:
    demo.send(PRESS, [CALM_BAR] * 20)
    demo.send(PRESS, [HIGH_BAR] * 2)
    alarms = until(lambda: demo.api("GET", f"/v1/alarms?asset={PRESS}").json()["alarms"])
    page = sit(size, colours)
    links = page.locator("nav a.to")
    expect(links.first).to_be_visible()
    paths = links.evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert len(paths) > 2
    faults: list[str] = []
    for path in (*paths, f"/asset/{PUMP_1}", f"/asset/{PRESS}", f"/alarm/{alarms[0]['id']}"):
        page.goto(demo.url + path)
        settle(page)
        faults += grave_faults(page)
        if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            faults.append(f"{page.url} scrolls sideways")
    assert not faults, "\n".join(faults)
