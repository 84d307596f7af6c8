"""The page of one asset: a real browser, a real server, a history that was really written."""

import re
import time

import pytest
from console_process import ANNA, GUEST, ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect
from seen import LOOKS, fits, looked_at  # type: ignore[import-not-found]

pytestmark = pytest.mark.system

PUMP = "/asset/demo/station-1/pumping/line-1/pump-1"
CALM = "/asset/demo/station-1/pumping/line-1/tank-1"
REASON = "Flow 57.1 m³/h below what outlet pressure, speed and motor power predict"
HOUR_NS = 3600 * 10**9
CHART = "getElement(Number(document.querySelector('.chart').id.slice(1)))?.chart"


def ends_of(page: Page) -> list[int]:
    """The ends of the time axis, ms."""
    return page.evaluate("(() => { const a = " + CHART + "?.getOption().xAxis[0]; return [a.min, a.max]; })()")  # type: ignore[no-any-return]


def points(page: Page, since: int, until: int) -> int:
    """How many rows the chart holds of a time, ms."""
    times = f"{CHART}.getOption().dataset[0].source.time"
    return int(page.evaluate(f"{times}.filter(t => t >= {since} && t <= {until}).length"))


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_the_page_is_fit_for_all(console: ConsoleProcess, page: Page, scheme: str, size: str) -> None:
    page.goto(console.link())
    with looked_at(page, scheme, size):
        page.goto(console.url + PUMP)
        expect(page.locator(".chart canvas").first).to_be_visible()
        expect(page.locator(".sensors tbody tr")).to_have_count(6)
        page.get_by_role("button", name="New normal…").click()
        expect(page.get_by_role("dialog")).to_contain_text("A fault that goes on meanwhile is learned as normal.")


def test_sign_in_see_an_alarm_acknowledge_it(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.url)
    page.get_by_label("Sign in with a token").fill(own_console.tokens.create_sign_in(ANNA))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.goto(own_console.url + PUMP)
    expect(page.get_by_role("heading", name=REASON)).to_be_visible()
    card = page.locator("article.alarm")
    expect(card).to_contain_text("not acknowledged")
    expect(card.locator("tr").first).to_contain_text(re.compile("Flow.*52%.*47.1 m³/h.*expected 104 m³/h"))
    expect(page.locator(".chart canvas").first).to_be_visible()
    card.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged", exact=True)).to_be_visible()
    expect(card).to_have_class(re.compile("acknowledged"))
    expect(card.get_by_role("button", name="Acknowledge")).to_be_hidden()
    expect(page.locator(".heading .state")).to_have_text("Alarm, acknowledged")


def test_keyboard_alone_shelves_and_brings_back(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP)
    shelve = page.get_by_role("button", name="Shelve…")
    shelve.focus()
    since = page.locator("article .since")
    for _ in range(2):  # the focus must outlive updates
        expect(since).not_to_have_text(str(since.text_content()))
    expect(shelve).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Why")).to_be_focused()
    page.keyboard.type("valve is being changed")
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
    page.get_by_role("button", name="Maintenance…").click()
    asked = page.get_by_role("dialog", name="Maintenance")
    asked.get_by_label("Why").fill("new bearing")
    asked.get_by_label("For").select_option("4 hours")
    asked.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("In maintenance for 4 hours")).to_be_visible()
    expect(page.locator(".heading .state")).to_have_text("Maintenance")
    page.get_by_role("button", name="End maintenance").click()
    expect(page.locator(".heading .state")).to_have_text("Alarm")


def test_what_cannot_be_done_is_said_and_nothing_changes(console_without_bus: ConsoleProcess, page: Page) -> None:
    page.goto(console_without_bus.link())
    page.goto(console_without_bus.url + PUMP)
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("the bus is down; nothing was changed")).to_be_visible()
    expect(page.locator("article.alarm")).to_contain_text("not acknowledged")


def test_a_guest_sees_but_cannot_act_and_nobody_sees_other_tenants(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link(GUEST))
    page.goto(console.url + PUMP)
    expect(page.locator("article.alarm")).to_be_visible()
    for name in ("Acknowledge", "Shelve…", "Maintenance…", "New normal…", "Right", "Set…"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.goto(f"{console.url}/assets")
    expect(page.locator(".rows .asset")).to_have_count(7)
    page.goto(f"{console.url}/asset/rival/secret/pump")
    expect(page.get_by_text("There is no asset rival/secret/pump.")).to_be_visible()
    expect(page.locator(".pane")).to_have_count(0)


def test_a_sensor_that_is_chosen_comes_onto_the_chart(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(console.url + CALM)
    name = page.get_by_role("button", name="Bearing temperature")
    name.click()
    expect(name).to_have_attribute("aria-pressed", "true")
    expect(page.locator("tr.shown")).to_contain_text("Bearing temperature")


def test_a_changed_configuration_shows_on_a_page_that_is_open(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP)
    row = page.locator(".sensors tr", has_text="Flow")
    expect(row).to_contain_text("m³/h")
    (own_console.log.parent / "metric").touch()
    expect(page.locator(".sensors tr", has_text="Delivery")).to_contain_text("l/s")
    expect(row).to_have_count(0)


def test_learning_and_unknown_assets_say_what_is_going_on(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP.replace("pump-1", "pump-2"))
    expect(page.locator(".waiting")).to_contain_text(re.compile(r"Learning: \d+%, about \d+ s left"))
    page.goto(own_console.url + PUMP.replace("pump-1", "pump-9"))
    expect(page.locator(".waiting")).to_contain_text("Nothing has come in from demo/station-1/pumping/line-1/pump-9")


def test_a_week_joins_history_and_memory_and_a_zoom_is_read_more_finely(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}{PUMP}?span=7d")
    expect(page.locator(".chart canvas").first).to_be_visible()
    since, until = ends_of(page)
    assert until - since == 7 * 24 * 3600 * 1000
    day = (since + 86_400_000, since + 2 * 86_400_000)
    coarse = points(page, *day)
    assert coarse > 10
    assert points(page, until - 120_000, until) > 10
    page.evaluate(f"{CHART}.dispatchAction({{type: 'dataZoom', startValue: {day[0]}, endValue: {day[1]}}})")
    expect(page.get_by_role("button", name="Whole span")).to_be_visible()
    page.wait_for_function(
        "([since, until, coarse]) => " + CHART + "?.getOption().dataset[0].source.time"
        ".filter(t => t >= since && t <= until).length > 3 * coarse",
        arg=[*day, coarse],
    )
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Whole span").click()
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")


def test_another_time_is_in_the_address_and_buttons_move_it(console: ConsoleProcess, page: Page) -> None:
    at_ns = time.time_ns() - 49 * HOUR_NS
    page.goto(console.link())
    page.goto(f"{console.url}{PUMP}?at={at_ns}&span=8h")
    expect(page.locator(".chart canvas").first).to_be_visible()
    before = ends_of(page)
    assert abs(sum(before) / 2 - at_ns / 1e6) < 2
    page.get_by_role("button", name="‹ Earlier").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("before => " + CHART + "?.getOption().xAxis[0].min < before", arg=before[0])
    assert ends_of(page) == [end - 4 * 3600 * 1000 for end in before]
    expect(page).to_have_url(re.compile(r"span=8h&at=\d+$"))
    page.get_by_role("button", name="Live").click()
    expect(page).to_have_url(re.compile(r"pump-1\?span=8h$"))


def test_alarms_are_shaded_and_lead_to_their_time(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(f"{console.url}{PUMP}?span=1h")
    expect(page.locator(".chart canvas").first).to_be_visible()
    page.wait_for_function(CHART + "?.getOption().series[0].markArea.data.length == 2")
    page.locator(".history tr").nth(1).get_by_title("The asset at that time").click()
    expect(page.get_by_role("region", name="Alarms at that time")).to_contain_text(REASON)


def test_without_history_what_is_in_memory_is_shown_and_it_is_said(
    console_without_history: ConsoleProcess, page: Page
) -> None:
    page.goto(console_without_history.link())
    page.goto(f"{console_without_history.url}{CALM}?span=1d")
    expect(page.get_by_text("What is in memory: there is no history here.")).to_be_visible()
    expect(page.locator(".chart canvas").first).to_be_visible()
    page.goto(f"{console_without_history.url}{CALM}?at=5&span=1h")
    expect(page.get_by_text("No rows of this time.")).to_be_visible()


def test_an_alarm_is_worked_out_again(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(console.url + PUMP)
    page.get_by_role("button", name="Work it out again").click()
    expect(page.get_by_text("exact, bit for bit")).to_be_visible()
    page.goto(console.url + PUMP.replace("pump-1", "pump-3"))
    page.get_by_role("button", name="Work it out again").click()
    expect(page.get_by_text("can be listed but not replayed: a storm of alarms")).to_be_visible()


def test_what_was_like_it_before_is_told_with_what_people_said(console: ConsoleProcess, page: Page) -> None:
    page.goto(console.link())
    page.goto(console.url + PUMP)
    similar = page.get_by_role("region", name="Similar before")
    expect(similar.get_by_role("link")).to_have_count(1)
    expect(similar.get_by_role("link")).to_have_attribute("href", re.compile("/alarm/.*pump-1-1$"))


def test_limits_are_set_and_drawn(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + PUMP)
    page.get_by_title("Set the limits of Flow").click()
    asked = page.get_by_role("dialog", name="Limits")
    asked.get_by_label("High: an alarm", exact=True).fill("50")
    asked.get_by_label("Low: an alarm", exact=True).fill("90")
    asked.get_by_label("Why").fill("as the maker says")
    asked.get_by_role("button", name="Set the limits").click()
    expect(page.get_by_text("low limit 90 must lie below high limit 50")).to_be_visible()
    page.get_by_title("Set the limits of Flow").click()
    asked.get_by_label("High: an alarm", exact=True).fill("112")
    asked.get_by_label("Low: an alarm", exact=True).fill("90")
    asked.get_by_label("Why").fill("as the maker says")
    asked.get_by_role("button", name="Set the limits").click()
    expect(page.locator(".sensors tr", has_text="Flow")).to_contain_text("L 90.0 · H 112")
    page.wait_for_function(CHART + "?.getOption().series.some(s => s.markLine?.data.some(d => d.yAxis === 112))")


def test_a_new_normal_is_explained_and_confirmed(own_console: ConsoleProcess, page: Page) -> None:
    page.goto(own_console.link())
    page.goto(own_console.url + CALM)
    page.get_by_role("button", name="New normal…").click()
    asked = page.get_by_role("dialog", name="This is the new normal")
    asked.get_by_label("Why").fill("new impeller")
    asked.get_by_role("button", name="Learn anew").click()
    expect(asked).to_be_visible()
    asked.get_by_label("Nothing is wrong with the asset as it is now").check()
    asked.get_by_role("button", name="Learn anew").click()
    expect(page.get_by_text("It learns anew")).to_be_visible()
    expect(page.locator(".heading .state")).to_have_text("Learning")


def test_several_sensors_on_a_phone_never_scroll_sideways(console: ConsoleProcess, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(console.link())
    page.goto(console.url + CALM)
    for name in ("Speed", "Vibration"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("tr.shown")).to_have_count(2)
    assert fits(page)
