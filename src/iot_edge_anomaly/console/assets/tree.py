"""The places of a plant as a tree that opens and closes; of what is closed nothing is made."""

from collections.abc import Callable, Sequence

from nicegui import ui

from iot_edge_anomaly.console.assets.places import Place, above
from iot_edge_anomaly.console.assets.search import AssetSearch, assets_address
from iot_edge_anomaly.console.elements import box, set_classes, set_prop, text
from iot_edge_anomaly.console.words import CONDITION_WORDS

OPEN_AT_FIRST = 30
"""Levels are open as long as all of them together show at most so many places."""

MOST_BELOW = 100
"""So many places of one level are shown; a search finds what is in the others."""

FOLLOW = "e => { if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return; e.preventDefault(); emit(); }"
"""A link that acts in the page, and as a link wherever a person wants a new tab."""

_ARROWS = """e => {
    const rows = [...e.currentTarget.querySelectorAll('.branch')];
    const row = e.target.closest('.branch'), toggle = row?.querySelector('button');
    const isOpen = toggle?.getAttribute('aria-expanded');
    const go = to => { to?.querySelector('a').focus(); e.preventDefault(); };
    if (!row) return;
    if (e.key === 'ArrowDown') go(rows[rows.indexOf(row) + 1]);
    if (e.key === 'ArrowUp') go(rows[rows.indexOf(row) - 1]);
    if (e.key === 'ArrowRight') isOpen === 'false' ? toggle.click() : isOpen && go(rows[rows.indexOf(row) + 1]);
    if (e.key === 'ArrowLeft') isOpen === 'true' ? toggle.click() : go(row.closest('ul').closest('li')?.firstChild);
}"""


class AssetTree:
    """Branches with the number of their assets and the mark of the worst one; choosing one calls `choose`."""

    def __init__(self, search: AssetSearch, choose: Callable[[str], None]) -> None:
        self._choose = choose
        self._search = search
        self._open: set[str] | None = None
        self._places: tuple[Place, ...] = ()
        with box("", "ul").on("keydown", js_handler=_ARROWS) as self._list:
            self._branches = _Branches(self)

    def update(self, places: tuple[Place, ...], search: AssetSearch) -> None:
        """Show the places as they are now, and mark the one that was chosen."""
        if self._open is None and places:
            self._open = _open_at_first(places) | set(above(search.under))
        self._places, self._search = places, search
        self._branches.update(places)

    def is_open(self, path: str) -> bool:
        """Tell whether what is below a place is shown."""
        return self._open is not None and path in self._open

    def is_chosen(self, path: str) -> bool:
        """Tell whether the assets of this place are listed."""
        return self._search.under == path

    def address(self, path: str) -> str:
        """Return the address of the list of a place."""
        return assets_address(self._search._replace(under=path))

    def choose(self, path: str) -> None:
        """List the assets of a place; once more: of all places."""
        self._choose("" if self.is_chosen(path) else path)

    def toggle(self, path: str) -> None:
        """Open or close a place."""
        self._open = (self._open or set()) ^ {path}
        self._branches.update(self._places)


class _Branches:
    """The branches of one level, made in the element that is open."""

    def __init__(self, tree: AssetTree) -> None:
        self._tree = tree
        self._made: dict[str, _Branch] = {}
        self._rest = text("li", "", "hint")

    def update(self, places: Sequence[Place]) -> None:
        shown = places[:MOST_BELOW]
        for gone in self._made.keys() - {place.path for place in shown}:
            self._made.pop(gone).item.delete()
        parent = self._rest.parent_slot
        assert parent is not None
        for number, place in enumerate(shown):
            if place.path not in self._made:
                with parent:
                    self._made[place.path] = _Branch(place, self._tree)
                self._made[place.path].item.move(target_index=number)
            self._made[place.path].update(place)
        left = len(places) - len(shown)
        self._rest.text = f"and {left} more: search for them" if left else ""


class _Branch:
    def __init__(self, place: Place, tree: AssetTree) -> None:
        self._tree = tree
        self._below: _Branches | None = None
        self._list: ui.element | None = None
        with box("", "li") as self.item, box("branch") as self._row:
            if place.below:
                self._toggle = text("button", "", "toggle").on("click", lambda _: tree.toggle(place.path))
                self._toggle.props.update({"type": "button", "aria-label": f"What is in {place.name}"})
            with box("to", "a").on("click", lambda _: tree.choose(place.path), js_handler=FOLLOW) as self._link:
                box("mark").props("aria-hidden=true")
                text("span", place.name, "name")
                self._count = text("span", "", "number")

    def update(self, place: Place) -> None:
        set_classes(self._row, f"branch asset {place.worst} {place.priority or ''}")
        count = f"{place.urgent} of {place.assets}" if place.urgent else str(place.assets)
        self._count.text = count
        set_prop(self._link, "aria-label", f"{place.name}, worst: {CONDITION_WORDS[place.worst]}, {count}")
        set_prop(self._link, "href", self._tree.address(place.path))
        set_prop(self._link, "aria-current", str(self._tree.is_chosen(place.path)).lower())
        if place.below:
            self._open_or_close(place)

    def _open_or_close(self, place: Place) -> None:
        is_open = self._tree.is_open(place.path)
        set_prop(self._toggle, "aria-expanded", str(is_open).lower())
        if is_open and self._below is None:
            with self.item, box("", "ul") as self._list:
                self._below = _Branches(self._tree)
        elif not is_open and self._list is not None:
            self._list.delete()
            self._below = self._list = None
        if self._below is not None:
            self._below.update(place.below)


def _open_at_first(places: Sequence[Place]) -> set[str]:
    """Return what to open so that as many whole levels show as there is room for."""
    opened: set[str] = set()
    level, shown = list(places), len(places)
    while level and shown + (more := sum(len(place.below) for place in level)) <= OPEN_AT_FIRST and more:
        opened |= {place.path for place in level}
        level, shown = [below for place in level for below in place.below], shown + more
    return opened
