"""Find the line of a TOML file on which a key stands, so that an error can point at it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = re.compile(r"^\s*\[(\[?)\s*([^\]]+?)\s*\]")
_KEYS = re.compile(r"""["']?([A-Za-z0-9_-]+)["']?\s*=""")


class _Place(NamedTuple):
    table: str
    number: int
    key: str
    line: int


class Locator:
    """Lines of the tables and keys of one file, for messages.

    >>> Locator('[[asset]]\\nmatch = "*"\\n[[asset]]\\nhigh = 1\\n').line_of("asset", 1, "high")
    4
    """

    def __init__(self, text: str) -> None:
        self._places = list(_places(text))

    def line_of(self, table: str, number: int, key: str) -> int:
        """Return the line of `key` in the `number`-th table of that name; of the table where the key is not there."""
        inside = [place for place in self._places if (place.table, place.number) == (table, number)]
        return next((place.line for place in inside if place.key == key), inside[0].line if inside else 1)


def _places(text: str) -> Iterator[_Place]:
    table, number, seen = "", 0, dict[str, int]()
    for line_number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table, _, below = header[2].replace(" ", "").partition(".")
            if header[1] and not below:
                seen[table] = seen.get(table, -1) + 1
            number = seen.get(table, 0)
            for part in ("", *re.split(r"[.\"']+", below)):
                yield _Place(table, number, part, line_number)
        for key in _KEYS.findall(line):
            yield _Place(table or key, number, key, line_number)
