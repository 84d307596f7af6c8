"""People at the console, each a tab of a real browser with a session of its own: `viewers` starts this process.

    python -m benchmarks.viewer_tabs < orders (see `viewer_walk`)

A page is seen when its content is visible on the screen. The process and its browser only take the processor time that
nobody else wants: viewers sit at machines of their own.
"""

import asyncio
import os
from pathlib import Path

import psutil
from benchmarks.viewer_walk import CONTENT, LEAST_LETTERS, PATIENCE_SECONDS, NotSeenError, Walk, read_wish
from playwright.async_api import Browser, Error, Page, async_playwright

from iot_edge_anomaly.resilience.precedence import let_session_give_way

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PATIENCE_MS = PATIENCE_SECONDS * 1e3
OTHER_CONTENT = f"document.querySelector('#content')?.innerText.trim().length > {LEAST_LETTERS}"
EMPTY_PAGE = "about:blank"
LAST = 19
"""The greatest niceness that there is."""


class Tab:
    """One tab."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @classmethod
    async def of(cls, browser: Browser) -> "Tab":
        return cls(await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page())

    async def sign_in(self, link: str) -> list[str]:
        await self._page.goto(link)
        links = self._page.locator("nav a.to")
        await links.first.wait_for()
        addresses: list[str] = await links.evaluate_all("links => links.map(a => a.getAttribute('href'))")
        return addresses

    async def see(self, path: str, address: str) -> None:
        try:
            await self._page.goto(address, wait_until="commit", timeout=PATIENCE_MS)
            if path in CONTENT:
                content = self._page.locator(f"#content {CONTENT[path]}:not(:empty)")
                await content.first.wait_for(timeout=PATIENCE_MS)
            else:
                await self._page.wait_for_function(OTHER_CONTENT, timeout=PATIENCE_MS)
        except Error as error:
            raise NotSeenError(error.message.splitlines()[0]) from error

    async def leave(self) -> None:
        await self._page.goto(EMPTY_PAGE)


async def main() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    wish, orders = await read_wish()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        _give_way_too()
        await Walk(wish).run([await Tab.of(browser) for _ in wish.links], orders)
        await browser.close()


def _give_way_too() -> None:
    """Let the browser's processes go last as well: in sessions of their own they would share evenly with all others."""
    for process in psutil.Process().children(recursive=True):
        let_session_give_way(LAST, Path(f"/proc/{process.pid}/autogroup"))


if __name__ == "__main__":
    asyncio.run(main())
