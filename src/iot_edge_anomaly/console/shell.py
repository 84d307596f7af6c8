"""What all pages share: the frame around them, who looks, and the beat in which they are kept up to date."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fastapi import Request
from nicegui import ui

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.board import URGENT, Board, Line
from iot_edge_anomaly.console.elements import box, button, set_classes, show, text
from iot_edge_anomaly.console.gate import sign_in_address
from iot_edge_anomaly.console.recall import Recall
from iot_edge_anomaly.console.sessions import COOKIE, Sessions
from iot_edge_anomaly.console.style import STYLE
from iot_edge_anomaly.console.view import Exports, History, Operations, PlantView, Records, Replays
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.security.principal import ForbiddenError, Principal

BEAT_SECONDS = 1.0
THEME_COOKIE = "iot_edge_anomaly_theme"
_THEMES: dict[str, bool | None] = {"auto": None, "light": False, "dark": True}


@dataclass(frozen=True)
class Console:
    """What pages read, and what they act through."""

    view: PlantView
    operations: Operations
    sessions: Sessions
    clock: Clock
    board: Board
    recall: Recall
    records: Records | None = None
    """None: there is no database here."""
    backstage: Backstage | None = None
    """None: a console that only looks at a plant."""
    history: History | None = None
    """None: nothing is kept beyond what is in memory."""
    replays: Replays | None = None
    exports: Exports | None = None
    """None: nothing can be downloaded."""
    trouble: Callable[[], str] = lambda: ""
    """Why what is shown may not be how things are; empty: it is."""


class PageSpec(NamedTuple):
    """A page's line in the catalog. `icon` is a Material icon; without one the page is not in the navigation.

    `build` fills the page once a visit; what is to move then is kept up to date by `Visit.every`.
    """

    path: str
    title: str
    icon: str
    build: "Callable[[Visit], Awaitable[None] | None]"


class Visit:
    """One open tab: who looks at what."""

    def __init__(self, console: Console, request: Request) -> None:
        self.console = console
        self.request = request
        self._session = request.cookies.get(COOKIE)
        self._address = request.url.path + (f"?{request.url.query}" if request.url.query else "")

    @property
    def who(self) -> Principal:
        """Who looks. Raises ForbiddenError once the session has ended, in whatever tab that was."""
        who = self.console.sessions.principal(self._session)
        if who is None:
            raise ForbiddenError("you are signed out; sign in again")
        return who

    def now_ns(self) -> int:
        """Return the time."""
        return self.console.clock.now_ns()

    def every(self, seconds: float, update: Callable[[], Awaitable[None] | None]) -> ui.timer:
        """Call at once and then again and again, for as long as the tab is open and the session holds."""

        async def beat() -> None:
            if self.console.sessions.principal(self._session) is None:
                ui.navigate.to(sign_in_address(self._address))
            else:
                made = update()
                if made is not None:
                    await made

        return ui.timer(seconds, beat)


def add_pages(console: Console, pages: tuple[PageSpec, ...]) -> None:
    """Make the pages known to NiceGUI."""
    for spec in pages:
        _add(console, spec, pages)


def _add(console: Console, spec: PageSpec, pages: tuple[PageSpec, ...]) -> None:
    @ui.page(spec.path, title=f"{spec.title} · IoT Edge Anomaly")
    async def page(request: Request) -> None:
        ui.add_head_html(f"<style>{STYLE}</style>")
        if console.sessions.principal(request.cookies.get(COOKIE)) is None:
            ui.navigate.to(sign_in_address())
            return
        visit = Visit(console, request)
        with box("iea console"):
            text("a", "Skip to the content", "skip").props("href=#content")
            _Frame(visit, spec, pages)
            with box("content", "main").props("id=content tabindex=-1"):
                made = spec.build(visit)
                if made is not None:
                    await made


class _Frame:
    """The bar on top (on a phone the navigation is at the bottom, in reach of a thumb)."""

    def __init__(self, visit: Visit, shown: PageSpec, pages: tuple[PageSpec, ...]) -> None:
        self._visit = visit
        self._dark = ui.dark_mode(_THEMES.get(visit.request.cookies.get(THEME_COOKIE, "auto")))
        with box("top", "header"):
            text("a", "IoT Edge Anomaly", "brand").props("href=/")
            with box("nav", "nav").props('aria-label="Pages"'):
                for page in pages:
                    if page.icon:
                        _link(page, is_shown=page is shown)
            with box("", "span").props("role=status"):
                self._count = text("a", "", "count").props("href=/alarms?state=open")
            self._theme = button(self._theme_name(), self._next_theme, "quiet theme", "Change the colours")
            with box("", "form").props("method=post action=/sign-out"):
                leave = text("button", "Sign out", "quiet").props("type=submit")
                leave.props["title"] = f"Signed in as {visit.who.name}"
        self._trouble = text("p", "", "problem trouble").props("role=status")
        self._update()
        visit.every(BEAT_SECONDS, self._update)

    def _update(self) -> None:
        board, who = self._visit.console.board, self._visit.who
        assets, urgent = len(board.lines(who)), board.shared(who, _urgent)
        count = f"{assets} asset{'' if assets == 1 else 's'}"
        self._count.text = f"{count}, {urgent} with an alarm" if urgent else f"{count}, no alarm"
        set_classes(self._count, "count urgent" if urgent else "count")
        self._trouble.text = self._visit.console.trouble()
        show(self._trouble, bool(self._trouble.text))

    def _theme_name(self) -> str:
        return f"Colours: {self._theme_key()}"

    def _theme_key(self) -> str:
        return next(name for name, value in _THEMES.items() if value is self._dark.value)

    def _next_theme(self) -> None:
        values = list(_THEMES.values())
        self._dark.value = values[(values.index(self._dark.value) + 1) % len(values)]
        self._theme.text = self._theme_name()
        cookie = f"{THEME_COOKIE}={self._theme_key()};path=/;max-age=31536000;samesite=lax"
        ui.run_javascript(f"document.cookie = '{cookie}'")


def _urgent(lines: Sequence[Line]) -> int:
    return sum(line.condition in URGENT for line in lines)


def _link(page: PageSpec, *, is_shown: bool) -> None:
    with box("to", "a") as link:
        link.props["href"] = page.path
        if is_shown:
            link.props["aria-current"] = "page"
        ui.icon(page.icon).props("aria-hidden=true")
        text("span", page.title)
