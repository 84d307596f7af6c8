"""The console as a process, shared by the tests that do it no harm, and a browser to look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_process import ConsoleProcess  # type: ignore[import-not-found]
from playwright.sync_api import Browser, Page, expect, sync_playwright
from whole_system import WholeSystem  # type: ignore[import-not-found]

PATIENCE_MS = 15_000
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


def _running(data_dir: Path) -> Iterator[ConsoleProcess]:
    console = ConsoleProcess(data_dir)
    try:
        yield console
    finally:
        console.stop()
    assert "Traceback" not in console.log.read_text()


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    """A console for all tests: acts of one test may be seen by the next."""
    yield from _running(tmp_path_factory.mktemp("console"))


@pytest.fixture
def own_console(tmp_path: Path) -> Iterator[ConsoleProcess]:
    """A console of one test's own."""
    yield from _running(tmp_path)


@pytest.fixture
def console_without_bus(tmp_path: Path) -> Iterator[ConsoleProcess]:
    """A console whose operations all find the bus down."""
    (tmp_path / "bus-is-down").touch()
    yield from _running(tmp_path)


@pytest.fixture
def console_without_records(tmp_path: Path) -> Iterator[ConsoleProcess]:
    """A console whose view database was not written yet."""
    (tmp_path / "no-records").touch()
    yield from _running(tmp_path)


@pytest.fixture
def console_of_nothing(tmp_path: Path) -> Iterator[ConsoleProcess]:
    """A console to which no asset has sent anything yet."""
    (tmp_path / "nothing").touch()
    yield from _running(tmp_path)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    """A whole system for the tests that need what runs behind the pages; what one test sets up the next may see."""
    system = WholeSystem(tmp_path_factory.mktemp("system"), more="# once nats://us:hunter2@elsewhere:4222\n")
    try:
        system.start()
        yield system
    finally:
        system.stop()
    for role in ("console", "connectors"):
        assert "Traceback" not in system.log(role), system.log(role)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("no chromium here; run: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
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


@pytest.fixture
def console_without_history(tmp_path: Path) -> Iterator[ConsoleProcess]:
    """A console without the extra `history`."""
    (tmp_path / "no-history").touch()
    yield from _running(tmp_path)
