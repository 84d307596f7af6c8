"""All assets: where they are, how each is, the worst first."""

from nicegui import ui

from iot_edge_anomaly.console.assets.listing import AssetList
from iot_edge_anomaly.console.assets.places import places, worst_first
from iot_edge_anomaly.console.assets.search import AssetSearch, assets_address, at_place, in_state, search_of
from iot_edge_anomaly.console.assets.states import AssetStates
from iot_edge_anomaly.console.assets.tree import FOLLOW, AssetTree
from iot_edge_anomaly.console.elements import box, button, link, set_classes, set_prop, show, text
from iot_edge_anomaly.console.shell import PageSpec, Visit

LIVE_SECONDS = 1.0
NOTHING_YET = "No asset has sent anything yet."
HOW_TO_START = (
    "Send a reading over MQTT to ingress/<tenant>/<site>/<area>/<line>/<asset>, or over HTTP to /v1/readings: "
    "the asset appears here by itself. To look around first: iot-edge-anomaly up --demo"
)


def build(visit: Visit) -> None:
    """List the assets that the address asks for."""
    shown = _Shown(visit)
    visit.every(LIVE_SECONDS, shown.update)


class _Shown:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._search = search_of(visit.request.query_params)
        text("h1", "Assets")
        with box("empty") as self._empty:
            text("p", NOTHING_YET)
            text("p", HOW_TO_START, "hint")
        with box("plant") as self._plant:
            self._make_places()
            with box("found", "section").props('aria-label="Assets found"'):
                self._make_filters()
                self._list = AssetList()
                with box("empty", "div") as self._none:
                    text("p", "No asset is like that.")
                    self._all = link("Show all assets", "/assets", "button")
                    self._all.on("click", lambda _: self._look_for(AssetSearch()), js_handler=FOLLOW)
        show(self._plant, False)
        show(self._empty, False)

    def _make_places(self) -> None:
        with box("places", "nav").props('aria-label="Places"') as self._places:
            self._opener = button("Places", self._on_places, "opener")
            self._opener.props["aria-expanded"] = "false"
            self._tree = AssetTree(self._search, lambda path: self._look_for(self._search._replace(under=path)))

    def _make_filters(self) -> None:
        field = box("find", "input").props('type=search aria-label="Find an asset"')
        field.props.update({"placeholder": "Find an asset by name, place or what is said of it", "autocomplete": "off"})
        field.props["defaultValue"] = self._search.words
        field.on("input", lambda event: self._on_words(str(event.args)), js_handler="e => emit(e.target.value)")
        self._states = AssetStates(lambda states: self._look_for(self._search._replace(states=states)))
        with box("line"):
            self._count = text("p", "", "hint").props("role=status")
            self._everywhere = link("", "/assets", "hint chosen-place")
            self._everywhere.on("click", lambda _: self._look_for(self._search._replace(under="")), js_handler=FOLLOW)

    def update(self) -> None:
        """Show what the search finds now."""
        board, who = self._visit.console.board, self._visit.who
        lines = board.shared(who, worst_first)
        show(self._empty, not lines)
        show(self._plant, bool(lines))
        if not lines:
            return
        self._tree.update(board.shared(who, places), self._search)
        here = at_place(lines, self._search)
        found = in_state(here, self._search)
        self._states.update(here, self._search)
        self._list.update(found)
        show(self._none, not found)
        self._count.text = f"{len(found)} of {len(lines)} asset{'' if len(lines) == 1 else 's'}"
        show(self._everywhere, bool(self._search.under))
        self._everywhere.text = f"in {self._search.under} ✕"
        set_prop(self._everywhere, "aria-label", f"in {self._search.under}; show all places")
        set_prop(self._everywhere, "href", assets_address(self._search._replace(under="")))

    def _on_words(self, words: str) -> None:
        self._look_for(self._search._replace(words=words.strip()))

    def _on_places(self) -> None:
        is_open = self._opener.props["aria-expanded"] == "true"
        set_prop(self._opener, "aria-expanded", str(not is_open).lower())
        set_classes(self._places, "places" if is_open else "places open")

    def _look_for(self, search: AssetSearch) -> None:
        """Show what another search finds; the address says so, and can be shared."""
        self._search = search
        self.update()
        ui.navigate.history.replace(assets_address(search))


SPEC = PageSpec("/assets", "Assets", "precision_manufacturing", build)
