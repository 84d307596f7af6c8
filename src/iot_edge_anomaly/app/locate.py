"""Find the line of a TOML file on which a key stands, so that an error can point at it."""

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""Where a value stands in a document: keys, and for each table of `[[…]]` its number."""

_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[(\[?)\s*({_NAME})\s*\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")
_ITEM = re.compile(r"\{[^{}]*\}")
_COMMENT = re.compile(r"\s*#")


class Locator:
    """Lines of the tables and keys of one file, for messages.

    >>> locator = Locator('[[asset]]\\nmatch = "*"\\n[[asset]]\\nsensors = { flow = { high = "1" } }\\n')
    >>> locator.line_of("asset", 1, "sensors", "flow", "high")
    4
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        for place, line in _places(text):
            self._lines.setdefault(place, line)

    def line_of(self, *place: str | int) -> int:
        """Return the line of a key; where it is not written down that of what it would stand in, at last line 1."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)


def _places(text: str) -> Iterator[tuple[Place, int]]:
    table, place, items = Place(), Place(), 0
    seen: dict[Place, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if _COMMENT.match(line):
            continue
        if header := _HEADER.match(line):
            table = place = _table(_parts(header[2]), header[1] != "", seen)
            yield from ((table[: length + 1], number) for length in range(len(table)))
            continue
        if key := _KEY.match(line):
            place, items = (*table, *_parts(key[1])), 0
            yield from ((place[: length + 1], number) for length in range(len(table), len(place)))
        for _ in _ITEM.findall(line):  # tables in a list, written inline
            yield (*place, items), number
            items += 1


def _table(parts: list[str], is_one_of_several: bool, seen: dict[Place, int]) -> Place:
    """Return the place of a table with this header; `seen` holds the number of the last table of each list so far."""
    place: Place = ()
    for depth, part in enumerate(parts, start=1):
        place = (*place, part)
        if is_one_of_several and depth == len(parts):
            seen[place] = seen.get(place, -1) + 1
        if place in seen:
            place = (*place, seen[place])
    return place


def _parts(name: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, name)]
