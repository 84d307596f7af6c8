"""A person at the page: a real browser, a real server."""

import re

import pytest
from console_process import ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.system


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
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    session = next(c["value"] for c in page.context.cookies() if "session" in c["name"])
    console.tokens.revoke(session.split("_")[1])
    expect(page.get_by_label("Sign in with a token")).to_be_visible(timeout=15_000)
