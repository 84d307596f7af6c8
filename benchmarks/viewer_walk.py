"""How people walk through the console: from page to page, a few seconds on each. What a viewer is, others say.

A process of viewers reads a line of JSON (see `Wish`), opens a viewer for each link, answers with a line of JSON (the
addresses of all pages), and then obeys lines: `walk ALARM...`, `rest`, until the end of file. For every step it writes
a line of JSON (see `Step`). The pages are those of the navigation, and those of a single asset and of a single alarm.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

PATIENCE_SECONDS = 30.0
ASSET = "/asset"
ALARM = "/alarm"
CONTENT = {
    "/": ".are-we-fine h2",
    "/assets": ".rows li",
    "/alarms": ".entry",
    "/budget": ".fleet h2",
    "/system": ".live td",
    ASSET: ".chart",
    ALARM: ".one-alarm .events td",
}
"""What of a page has to be visible and hold something for its content to be there: tags and classes, outer to inner."""

LEAST_LETTERS = 60
"""The content of other pages is there when so many letters are visible."""


class Wish(msgspec.Struct, frozen=True):
    """Where the viewers go: a link to sign in for each of them, the assets to look at, how long they stay on a page."""

    url: str
    links: list[str]
    assets: list[str]
    stay_seconds: tuple[float, float]
    seed: int


class Step(msgspec.Struct, frozen=True):
    """One step of one viewer. `failed` says why nothing was seen."""

    page: str
    at: float
    seconds: float
    failed: str = ""


class NotSeenError(Exception):
    """A page did not show its content; the text says why."""


class Viewer(Protocol):
    """One person at the console."""

    async def sign_in(self, link: str) -> list[str]:
        """Return the addresses in the navigation."""
        ...

    async def see(self, path: str, address: str) -> None:
        """Go to a page and return as soon as its content is visible. Raises NotSeenError."""
        ...

    async def leave(self) -> None:
        """Look at no page any more."""
        ...


class Walk:
    """Viewers, and whether they walk."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._random = random.Random(wish.seed)
        self._walks = asyncio.Event()
        self._paths: list[str] = []
        self._alarms: list[str] = []

    async def run(self, viewers: Sequence[Viewer], orders: asyncio.StreamReader) -> None:
        """Sign everybody in, say which pages there are, and obey until the end of the orders."""
        for viewer, link in zip(viewers, self._wish.links, strict=True):
            self._paths = [*await viewer.sign_in(link), ASSET, ALARM]
            await viewer.leave()
        print(json.dumps(self._paths), flush=True)
        async with asyncio.TaskGroup() as tasks:
            walks = [tasks.create_task(self._walk(viewer)) for viewer in viewers]
            while order := await orders.readline():
                self._obey(*order.decode().split())
            for walk in walks:
                walk.cancel()

    def _obey(self, what: str, *alarms: str) -> None:
        self._alarms = [*alarms]
        self._walks.set() if what == "walk" else self._walks.clear()

    async def _walk(self, viewer: Viewer) -> None:
        for path in self._way():
            if not self._walks.is_set():
                await viewer.leave()
                await self._walks.wait()
                await asyncio.sleep(self._random.uniform(0, self._wish.stay_seconds[1]))
            await self._step(viewer, path)
            await asyncio.sleep(self._random.uniform(*self._wish.stay_seconds))

    def _way(self) -> Iterator[str]:
        """Yield all pages in some order, then all in another, and so on."""
        while True:
            yield from self._random.sample(self._paths, len(self._paths))

    async def _step(self, viewer: Viewer, path: str) -> None:
        several = {ASSET: self._wish.assets, ALARM: self._alarms}.get(path)
        address = f"{path}/{self._random.choice(several)}" if several else path
        at, began, failed = time.time(), time.monotonic(), ""
        try:
            await viewer.see(path, self._wish.url + address)
        except NotSeenError as error:
            failed = str(error)
        print(msgspec.json.encode(Step(path, at, time.monotonic() - began, failed)).decode(), flush=True)


async def read_wish() -> tuple[Wish, asyncio.StreamReader]:
    """Return the first line of the standard input, and where the orders follow."""
    orders = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    return msgspec.json.decode(await orders.readline(), type=Wish), orders
