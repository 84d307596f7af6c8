"""Tables in the terminal. Names and reasons come from whoever may send readings: they are shown, never obeyed."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, show_lines: bool = False) -> Table:
    """Return a table whose cells are plain text; `show_lines`: with a line between rows, where a row has several."""
    made = Table(*columns, show_lines=show_lines)
    for row in rows:
        made.add_row(*map(Text, row))
    return made
