"""What a person sees of open alarms at the console, read from the pages by a real browser."""

from collections import Counter
from collections.abc import Sequence

from benchmarks.viewer_tabs import ARGUMENTS, CHROMIUM
from playwright.async_api import Page, async_playwright

from iot_edge_anomaly.component.sink import Posting

PATIENCE_MS = 30_000


async def open_alarms_shown(url: str, link: str, alarms: Sequence[Posting]) -> list[str]:
    """Return what is wrong with the pages of the assets that have open alarms: each shows its own and their reasons."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        try:
            page = await browser.new_page()
            await page.goto(link, timeout=PATIENCE_MS)
            assets = sorted({str(alarm.key) for alarm in alarms})
            wrong = [await _look(page, url, asset, alarms) for asset in assets]
        finally:
            await browser.close()
    return [what for what in wrong if what]


async def _look(page: Page, url: str, asset: str, alarms: Sequence[Posting]) -> str:
    wanted = Counter(alarm.event.reason.casefold() for alarm in alarms if str(alarm.key) == asset)
    await page.goto(f"{url}/asset/{asset}", timeout=PATIENCE_MS)
    cards = page.locator("article.alarm h3")
    await cards.first.wait_for(timeout=PATIENCE_MS)
    shown = Counter(text.casefold() for text in await cards.all_inner_texts())
    return "" if shown == wanted else f"the console shows {dict(shown)} at {asset}, not {dict(wanted)}"
