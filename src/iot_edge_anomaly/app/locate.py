"""Find the line of a TOML file on which a key stands, so that an error can point at it."""

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]
"""Where a value stands in a document: keys, and for each table of `[[…]]` its number."""

_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[(\[?)\s*({_NAME})\s*\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")


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
    table: Place = ()
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            first, *below = _parts(header[2])
            if header[1] and not below:
                seen[first] = seen.get(first, -1) + 1
            table = (first, seen[first], *below) if first in seen else (first, *below)
            yield from ((table[: length + 1], number) for length in range(len(table)))
        elif key := _KEY.match(line):
            place = (*table, *_parts(key[1]))
            yield from ((place[: length + 1], number) for length in range(len(table), len(place)))


def _parts(name: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, name)]
