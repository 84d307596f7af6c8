"""A table whose rows change while it is looked at: cells that stay the same are not sent again."""

from collections.abc import Sequence

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from iot_edge_anomaly.console.elements import box, set_classes, show, text


class LiveTable:
    """Headings, and rows of text; a heading that ends in `#` is of figures. A row may have classes of its own."""

    def __init__(self, label: str, headings: Sequence[str], *, empty: str = "") -> None:
        self._kinds = ["number" if heading.endswith("#") else "" for heading in headings]
        self._rows: list[tuple[ui.element, list[TextElement]]] = []
        self._empty = text("p", empty, "hint")
        with box("scroll").props("tabindex=0") as self._box:
            self._box.props["aria-label"] = label
            self._box.props["role"] = "region"
            with box("live", "table"):
                with box("", "thead"), box("", "tr"):
                    for heading, kind in zip(headings, self._kinds, strict=True):
                        text("th", heading.rstrip("#"), kind).props("scope=col")
                self._body = box("", "tbody")

    def update(self, rows: Sequence[Sequence[str]], classes: Sequence[str] = ()) -> None:
        """Show these rows."""
        show(self._empty, not rows)
        show(self._box, bool(rows))
        with self._body:
            self._rows += [self._new_row() for _ in range(len(rows) - len(self._rows))]
        for number, (row, cells) in enumerate(self._rows):
            show(row, number < len(rows))
            if number < len(rows):
                set_classes(row, classes[number] if classes else "")
                for cell, value in zip(cells, rows[number], strict=True):
                    cell.text = value

    def _new_row(self) -> tuple[ui.element, list[TextElement]]:
        with box("", "tr") as row:
            cells = [text("td" if number else "th", "", kind) for number, kind in enumerate(self._kinds)]
            cells[0].props["scope"] = "row"
        return row, cells
