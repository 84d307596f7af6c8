"""The console: assets by state on the left, one asset on the right; on a phone one after the other."""

from collections.abc import Sequence

from fastapi import Request
from nicegui import ui

from iot_edge_anomaly.console.asset_list import URGENT, AssetList, Known, asset_to_show
from iot_edge_anomaly.console.asset_pane import AssetPane
from iot_edge_anomaly.console.elements import box, button, text
from iot_edge_anomaly.console.gate import SIGN_IN
from iot_edge_anomaly.console.sessions import COOKIE, Sessions
from iot_edge_anomaly.console.style import STYLE
from iot_edge_anomaly.console.view import Operations, PlantView
from iot_edge_anomaly.console.words import condition_of
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.principal import Permission, Principal

UPDATE_SECONDS = 0.5
THEME_COOKIE = "iot_edge_anomaly_theme"
_THEMES: dict[str, bool | None] = {"auto": None, "light": False, "dark": True}


def add_pages(view: PlantView, operations: Operations, sessions: Sessions, clock: Clock) -> None:
    """Make the pages known to NiceGUI."""

    @ui.page("/")
    def everything(request: Request) -> None:
        _Page(view, operations, sessions, clock, request, None)

    @ui.page("/asset/{name:path}")
    def one_asset(request: Request, name: str) -> None:
        try:
            key = AssetKey.parse(name)
        except RejectedError as error:
            text("p", str(error))
            return
        _Page(view, operations, sessions, clock, request, key)


class _Page:
    """One browser tab."""

    def __init__(
        self,
        view: PlantView,
        operations: Operations,
        sessions: Sessions,
        clock: Clock,
        request: Request,
        wanted: AssetKey | None,
    ) -> None:
        self._view = view
        self._operations = operations
        self._sessions = sessions
        self._clock = clock
        self._session = request.cookies.get(COOKIE)
        self._wanted = wanted
        self._pane: AssetPane | None = None
        self._key: AssetKey | None = None
        ui.add_head_html(f"<style>{STYLE}</style>")
        who = sessions.principal(self._session)
        if who is None:
            ui.navigate.to(SIGN_IN)
            return
        self._dark = ui.dark_mode(_THEMES.get(request.cookies.get(THEME_COOKIE, "auto")))
        with box("iea console " + ("on-asset" if wanted else "on-list")):
            self._top(who)
            with box("panes", "main"):
                self._list = AssetList()
                self._right = box("right")
        self._update()
        ui.timer(UPDATE_SECONDS, self._update)

    def _top(self, who: Principal) -> None:
        with box("top", "header"):
            with box("brand", "a").props("href=/"):
                text("h1", "IoT Edge Anomaly")
            self._count = text("span", "", "count").props("role=status")
            self._theme = button(self._theme_name(), self._next_theme, "quiet", "Change the colours")
            with box("", "form").props("method=post action=/sign-out"):
                text("button", "Sign out", "quiet").props(f'type=submit title="Signed in as {who.name}"')

    def _update(self) -> None:
        who = self._sessions.principal(self._session)
        if who is None:
            ui.navigate.to(SIGN_IN)
            return
        now_ns = self._clock.now_ns()
        assets = [asset for asset in self._view.assets() if who.may(Permission.READ, asset.key.tenant)]
        known = [(asset, self._view.settings(asset.key)) for asset in assets]
        self._count.text = _count(known, now_ns)
        self._show_pane(who, known, now_ns)
        self._list.update(known, self._key, now_ns)

    def _show_pane(self, who: Principal, assets: Sequence[Known], now_ns: int) -> None:
        key = self._wanted or asset_to_show(assets, self._key, now_ns)
        if key is None or not who.may(Permission.READ, key.tenant):
            return
        if self._pane is None or key != self._key:
            self._key = key
            self._right.clear()
            with self._right:
                self._pane = AssetPane(key, self._view, self._operations, who)
        self._pane.update(next((asset for asset, _ in assets if asset.key == key), None), now_ns)

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


def _count(assets: Sequence[Known], now_ns: int) -> str:
    urgent = sum(condition_of(asset, settings, now_ns) in URGENT for asset, settings in assets)
    all_of_them = f"{len(assets)} asset{'' if len(assets) == 1 else 's'}"
    return f"{all_of_them}, {urgent} with an alarm" if urgent else f"{all_of_them}, no alarm"
