"""One system for all journeys, and a person's browser: at a desk or on a phone, in the light or in the dark."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from whole_demo import WholeDemo  # type: ignore[import-not-found]

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
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
MEANT = ("data:", "blob:", "Failed to load resource: the server responded with a status of 403")
"""What a browser tells of that is no fault; 403: how a wrong token is answered."""

Sit = Callable[[str, str], Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; it must be gone before tests with an event loop of their own run."""
    if not CHROMIUM.exists():
        pytest.skip("no chromium here; run: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDemo]:
    demo = WholeDemo(tmp_path_factory.mktemp("journeys"))
    try:
        yield demo
    finally:
        demo.stop()
    for role in ("console", "gateway", "views", "historian"):
        assert "Traceback" not in demo.logged(role), demo.logged(role)


@pytest.fixture
def sit(browser: Browser, demo: WholeDemo) -> Iterator[Sit]:
    """Sit down at a page of some size and colours, signed in.

    The page must not complain, nor ask anybody but our own server for anything, nor scroll sideways.
    """
    complaints: list[str] = []
    pages: list[Page] = []

    def sit_down(size: str, colours: str) -> Page:
        context = browser.new_context(viewport=SIZES[size], color_scheme=colours)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if demo.url not in request.url else None)
        page.goto(demo.link())
        pages.append(page)
        return page

    yield sit_down
    for page in pages:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
        page.context.close()
    assert [said for said in complaints if not said.startswith(MEANT)] == []
