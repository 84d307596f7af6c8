"""People at the console without a browser: sessions that speak to it as its pages do. `viewers` starts this process.

    python -m benchmarks.viewer_sessions < orders (see `viewer_walk`)

A session signs in with a link of its own, reads a page, opens the socket that the page's script opens, with the same
query, keeps the elements of the page as the updates that come over it say, and acknowledges those every three seconds.
What it leaves out is what a browser does with all that: no layout, no drawing, no script, style or font is fetched (a
browser keeps those). A page is seen when the elements hold what a person would see: the HTML is read, the socket is
open, and what the first beat of the page sends has come.

Bytes are compressed as for a browser, so the console has the same work with a session as with a tab.
"""

import ast
import asyncio
import re
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
import socketio
from benchmarks.viewer_walk import CONTENT, LEAST_LETTERS, PATIENCE_SECONDS, NotSeenError, Walk, read_wish

SOCKET_PATH = "/_nicegui_ws/socket.io"
ACK_SECONDS = 3.0
DEFLATE_BITS = 15
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) viewer", "Accept": "text/html"}
_ELEMENTS = re.compile(r"parseElements\(String\.raw`(.*?)`\)", re.DOTALL)
_QUERY = re.compile(r"^\s*query: (\{.*\}),$", re.MULTILINE)
_ESCAPES = {"&#36;": "$", "&#96;": "`", "&gt;": ">", "&lt;": "<", "&amp;": "&"}
"""How elements are written into a page; undone in this order."""


class Elements:
    """The elements of a page by their ids, as the page's script keeps them."""

    def __init__(self, html: str) -> None:
        written = _ELEMENTS.search(html)
        if written is None:
            raise NotSeenError("this is no page of the console")
        encoded = written[1]
        for escape, meant in _ESCAPES.items():
            encoded = encoded.replace(escape, meant)
        self._by_id: dict[str, dict[str, Any]] = msgspec.json.decode(encoded)
        self._content = next((name for name in self._by_id if self._prop(name, "id") == "content"), "")

    def update(self, changed: dict[str, dict[str, Any] | None]) -> None:
        for name, element in changed.items():
            if element is None:
                self._by_id.pop(name, None)
            else:
                self._by_id[name] = element

    def addresses(self, css_class: str) -> list[str]:
        """Return where the links of a class lead."""
        links = [name for name, element in self._by_id.items() if css_class in element.get("class", ())]
        return [address for name in links if (address := self._prop(name, "href"))]

    def show(self, path: str) -> bool:
        """Tell whether the content of a page is there."""
        if path in CONTENT:
            return any(self._holds_something(name) for name in self._found(self._content, CONTENT[path].split()))
        return sum(map(len, self._texts(self._content))) > LEAST_LETTERS

    def _found(self, outer: str, steps: list[str]) -> Iterator[str]:
        """Yield visible elements below one, that a few steps (tags and classes) lead to."""
        for name in self._below(outer):
            element = self._by_id[name]
            is_meant = steps[0][1:] in element.get("class", ()) if steps[0][0] == "." else steps[0] == element["tag"]
            if is_meant and len(steps) == 1:
                yield name
            else:
                yield from self._found(name, steps[1:] if is_meant else steps)

    def _holds_something(self, name: str) -> bool:
        return any(self._texts(name)) or self._prop(name, "options") is not None

    def _texts(self, outer: str) -> Iterator[str]:
        if outer in self._by_id:
            yield self._by_id[outer].get("text") or self._prop(outer, "innerHTML") or ""
        for name in self._below(outer):
            yield from self._texts(name)

    def _below(self, outer: str) -> Iterator[str]:
        for number in self._by_id.get(outer, {}).get("children", ()):
            if "hidden" not in self._by_id.get(str(number), {"class": ("hidden",)}).get("class", ()):
                yield str(number)

    def _prop(self, name: str, prop: str) -> Any:
        return self._by_id[name].get("props", {}).get(prop)


class OpenPage:
    """A page that was read, and its socket."""

    def __init__(self, html: str, tab_id: str, http: aiohttp.ClientSession) -> None:
        self.elements = Elements(html)
        query = _QUERY.search(html)
        if query is None:
            raise NotSeenError("the page has no socket")
        self._query: dict[str, Any] = ast.literal_eval(query[1])
        self._tab_id = tab_id
        self._next_id, self._acknowledged = int(self._query["next_message_id"]), -1
        self._socket = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=http,
            websocket_extra_options={"compress": DEFLATE_BITS},
        )
        self._socket.on("*", self._take)
        self._socket.on("disconnect", self._end)
        self._news = asyncio.Event()
        self._ended = ""
        self._acknowledging: asyncio.Task[None] | None = None

    async def connect(self, url: str) -> None:
        """Open the socket, the handshake in its query. Raises NotSeenError."""
        identity = {"tab_id": self._tab_id, "document_id": str(uuid.uuid4())}
        query = self._query | identity | {"implicit_handshake": "true"}
        try:
            await self._socket.connect(
                f"{url}?{urlencode(query)}",
                {"Origin": url},
                transports=["websocket"],
                socketio_path=SOCKET_PATH,
                wait_timeout=PATIENCE_SECONDS,
            )
        except socketio.exceptions.ConnectionError as error:
            raise NotSeenError(f"the socket was refused: {error}") from error
        self._acknowledging = asyncio.create_task(self._acknowledge())

    async def until_shown(self, path: str) -> None:
        """Return as soon as the content is there. Raises NotSeenError."""
        while not self.elements.show(path):
            self._news.clear()
            await self._news.wait()
            if self._ended:
                raise NotSeenError(self._ended)

    async def close(self) -> None:
        if self._acknowledging is not None:
            self._acknowledging.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._socket.disconnect(), PATIENCE_SECONDS)

    def _take(self, event: str, message: dict[str, Any]) -> None:
        number = message.pop("_id", self._next_id)
        if number < self._next_id:
            return
        self._next_id = number + 1
        if event == "update":
            self.elements.update(message)
        elif event == "open":
            self._ended = f"the page led elsewhere: {message['path']}"
        self._news.set()

    def _end(self, reason: str) -> None:
        self._ended = f"the socket was closed: {reason}"
        self._news.set()

    async def _acknowledge(self) -> None:
        while True:
            await asyncio.sleep(ACK_SECONDS)
            if self._acknowledged < self._next_id:
                known = {"client_id": self._query["client_id"], "next_message_id": self._next_id}
                await self._socket.emit("ack", known)
                self._acknowledged = self._next_id


class Session:
    """One person."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._tab_id = str(uuid.uuid4())
        self._page: OpenPage | None = None

    async def sign_in(self, link: str) -> list[str]:
        return Elements(await self._read(link)).addresses("to")

    async def see(self, path: str, address: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                html = await self._read(address)
                await self.leave()
                self._page = OpenPage(html, self._tab_id, self._http)
                parts = urlsplit(address)
                await self._page.connect(f"{parts.scheme}://{parts.netloc}")
                await self._page.until_shown(path)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise NotSeenError(repr(error)) from error

    async def leave(self) -> None:
        if self._page is not None:
            await self._page.close()
            self._page = None

    async def _read(self, address: str) -> str:
        async with self._http.get(address) as answer:
            if answer.status != 200:
                raise NotSeenError(f"the answer is {answer.status}")
            return await answer.text()


def browser_session() -> aiohttp.ClientSession:
    """Return cookies and connections of one person."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=BROWSER)


async def main() -> None:
    wish, orders = await read_wish()
    sessions = [browser_session() for _ in wish.links]
    try:
        await Walk(wish).run([Session(http) for http in sessions], orders)
    finally:
        for http in sessions:
            await http.close()


if __name__ == "__main__":
    asyncio.run(main())
