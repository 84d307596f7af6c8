"""Assets, the worst first: so many of them as a person can look at; grey while all is well."""

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from nicegui import ui

from iot_edge_anomaly.console.assets.places import place_of
from iot_edge_anomaly.console.board import Line
from iot_edge_anomaly.console.elements import box, button, set_classes, show, text
from iot_edge_anomaly.console.words import CONDITION_WORDS, Condition
from iot_edge_anomaly.core.names import AssetKey

SHOWN = 40
MOST = 200
"""So many rows are there at most, however often a person asks for more."""

_LEARNS = (Condition.LEARNING, Condition.PROVISIONAL)
_KEEP_FOCUS = "e => { e.currentTarget.focused = e.target }"
_LEAVE_FOCUS = "e => { if (e.relatedTarget) e.currentTarget.focused = null }"
_FOCUS_AGAIN = """setTimeout(() => {
    const last = document.getElementById('%s')?.focused;
    if (last?.isConnected && document.activeElement === document.body) last.focus({preventScroll: true});
}, 50)"""


class AssetList:
    """A window over a list of assets. A row is one element; only rows that changed are sent."""

    def __init__(self) -> None:
        self._rows: dict[AssetKey, _Row] = {}
        self._most = SHOWN
        self._lines: Sequence[Line] = ()
        self._list = box("rows", "ul").props('aria-label="Assets, the worst first"')
        self._list.on("focusin", js_handler=_KEEP_FOCUS).on("focusout", js_handler=_LEAVE_FOCUS)
        with box("buttons") as self._rest:
            self._more = button("Show more", self._on_more)
            self._left = text("span", "", "hint")

    def update(self, lines: Sequence[Line]) -> None:
        """Show the first of these assets as they are now."""
        self._lines = lines
        wanted = lines[: self._most]
        for gone in self._rows.keys() - {line.asset.key for line in wanted}:
            self._rows.pop(gone).item.delete()
        for line in wanted:
            self._row(line.asset.key).update(line)
        self._put_in_order([self._rows[line.asset.key].item for line in wanted])
        left = len(lines) - len(wanted)
        show(self._rest, left > 0)
        show(self._more, self._most < MOST)
        self._left.text = f"{left} more" if self._most < MOST else f"{left} more: search, or choose a place or a state"

    def _row(self, key: AssetKey) -> "_Row":
        if key not in self._rows:
            with self._list:
                self._rows[key] = _Row.of(key)
        return self._rows[key]

    def _put_in_order(self, items: Sequence[ui.element]) -> None:
        """Move as few rows as the new order takes; the one with the focus keeps it."""
        has_moved = False
        for place, item in enumerate(items):
            if self._list.default_slot.children[place] is not item:
                item.move(target_index=place)
                has_moved = True
        if has_moved:
            ui.run_javascript(_FOCUS_AGAIN % self._list.html_id)

    def _on_more(self) -> None:
        self._most = min(self._most + SHOWN, MOST)
        self.update(self._lines)


class _Row(NamedTuple):
    item: ui.element
    link: ui.html

    @classmethod
    def of(cls, key: AssetKey) -> "_Row":
        with box("", "li") as item:
            link = ui.html("", sanitize=False, tag="a")
        link.props.update({"href": asset_address(key), "title": str(key)})
        return cls(item, link)

    def update(self, line: Line) -> None:
        shown = row_html(line.asset.key, line.condition, line.summary, round(line.asset.progress, 2))
        set_classes(self.link, f"asset {line.condition} {line.priority or ''}")
        if self.link.content != shown:
            self.link.content = shown


@lru_cache(maxsize=4096)
def row_html(key: AssetKey, condition: Condition, summary: str, progress: float) -> str:
    """Return what stands in the row of an asset: written once for all who look, until it changes."""
    state = CONDITION_WORDS[condition]
    why = "" if summary == state else escape(summary)
    bar = f'<span class="progress"><span class="bar" style="width:{progress:.0%}"></span></span>'
    return (
        '<span class="mark" aria-hidden="true"></span>'
        f'<span class="about"><span class="name">{escape(key.asset.rpartition("/")[2])}</span>'
        f'<span class="place">{escape(place_of(key))}</span></span>'
        f'<span class="summary">{why}{bar if condition in _LEARNS else ""}</span>'
        f'<span class="state">{state}</span>'
    )


def asset_address(key: AssetKey) -> str:
    """Return the address of an asset's page."""
    return f"/asset/{quote(str(key))}"
