"""Twenty people at the console, each a tab of a real browser with a session of its own: `viewers` starts this process.

    python -m benchmarks.viewer_tabs < a line of JSON (see `Wish`), then `walk ALARM...`, `rest`, ..., end of file

A tab goes from page to page as a person does, a few seconds on each. For every step one line of JSON is written: which
page, when (`at`), and after how many seconds its content was visible. The pages are those of the navigation, and those
of a single asset and of a single alarm. The process and its browser only take the processor time that nobody else
wants: viewers sit at machines of their own.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from playwright.async_api import Browser, Error, Page, async_playwright

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
PATIENCE_SECONDS = 30.0
ASSET = "/asset"
ALARM = "/alarm"
CONTENT = {
    "/": "#content .are-we-fine h2:not(:empty), #content .number:not(:empty)",
    "/assets": "#content .rows > li, #content .asset .state:not(:empty)",
    "/alarms": "#content .entry",
    ASSET: "#content .chart canvas",
    ALARM: "#content .one-alarm .events td",
}
"""What of a page has to be visible for its content to be there."""

OTHER_CONTENT = "document.querySelector('#content')?.innerText.trim().length > 60"
"""What has to hold of other pages."""


class Wish(msgspec.Struct, frozen=True):
    """Where the tabs go: a link to sign in for each of them, the assets to look at, how long they stay on a page."""

    url: str
    links: list[str]
    assets: list[str]
    stay_seconds: tuple[float, float]
    seed: int


class Step(msgspec.Struct, frozen=True):
    """One step of one tab. `failed` says why nothing was seen."""

    page: str
    at: float
    seconds: float
    failed: str = ""


class Tabs:
    """The tabs, and whether they walk."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._random = random.Random(wish.seed)
        self._walks = asyncio.Event()
        self._paths: list[str] = []
        self._alarms: list[str] = []

    async def run(self, browser: Browser, orders: asyncio.StreamReader) -> None:
        """Open a tab a link, say so with a line, and obey until the end of the orders."""
        pages = [await self._signed_in(browser, link) for link in self._wish.links]
        print(json.dumps(self._paths), flush=True)
        async with asyncio.TaskGroup() as tasks:
            walks = [tasks.create_task(self._walk(page)) for page in pages]
            while order := await orders.readline():
                self._obey(*order.decode().split())
            for walk in walks:
                walk.cancel()

    def _obey(self, what: str, *alarms: str) -> None:
        self._alarms = [*alarms]
        self._walks.set() if what == "walk" else self._walks.clear()

    async def _signed_in(self, browser: Browser, link: str) -> Page:
        page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
        await page.goto(link)
        links = page.locator("nav a.to")
        await links.first.wait_for()
        self._paths = [*await links.evaluate_all("links => links.map(a => a.getAttribute('href'))"), ASSET, ALARM]
        await page.goto("about:blank")
        return page

    async def _walk(self, page: Page) -> None:
        for path in self._way():
            if not self._walks.is_set():
                await page.goto("about:blank")
                await self._walks.wait()
                await asyncio.sleep(self._random.uniform(0, self._wish.stay_seconds[1]))
            await self._step(page, path)
            await asyncio.sleep(self._random.uniform(*self._wish.stay_seconds))

    def _way(self) -> Iterator[str]:
        """Yield all pages in some order, then all in another, and so on."""
        while True:
            yield from self._random.sample(self._paths, len(self._paths))

    async def _step(self, page: Page, path: str) -> None:
        several = {ASSET: self._wish.assets, ALARM: self._alarms}.get(path)
        address = f"{path}/{self._random.choice(several)}" if several else path
        at, began, failed = time.time(), time.monotonic(), ""
        try:
            await page.goto(self._wish.url + address, wait_until="commit", timeout=PATIENCE_SECONDS * 1e3)
            if path in CONTENT:
                await page.locator(CONTENT[path]).first.wait_for(timeout=PATIENCE_SECONDS * 1e3)
            else:
                await page.wait_for_function(OTHER_CONTENT, timeout=PATIENCE_SECONDS * 1e3)
        except Error as error:
            failed = error.message.splitlines()[0]
        print(msgspec.json.encode(Step(path, at, time.monotonic() - began, failed)).decode(), flush=True)


async def main() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    orders = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    wish = msgspec.json.decode(await orders.readline(), type=Wish)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        await Tabs(wish).run(browser, orders)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
