"""Which assets a person asked for, in an address that can be shared. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from iot_edge_anomaly.console.assets.places import is_below
from iot_edge_anomaly.console.board import Line
from iot_edge_anomaly.console.words import Condition

LONGEST_WORDS = 200


class AssetSearch(NamedTuple):
    """What stands in the address. Empty: not asked for."""

    words: str = ""
    states: frozenset[Condition] = frozenset()
    under: str = ""


def search_of(query: Mapping[str, str]) -> AssetSearch:
    """Read an address; what makes no sense is left out."""
    said = query.get("state", "").split(",")
    return AssetSearch(
        query.get("words", "").strip()[:LONGEST_WORDS],
        frozenset(condition for condition in Condition if condition in said),
        query.get("under", "").strip("/")[:LONGEST_WORDS],
    )


def assets_address(search: AssetSearch) -> str:
    """Return the address of a list of assets.

    >>> assets_address(AssetSearch("pump", frozenset({Condition.ALARM}), "demo/station-1"))
    '/assets?words=pump&state=alarm&under=demo%2Fstation-1'
    """
    states = ",".join(condition for condition in Condition if condition in search.states)
    asked = [("words", search.words), ("state", states), ("under", search.under)]
    said = urlencode([(name, value) for name, value in asked if value])
    return f"/assets?{said}" if said else "/assets"


def at_place(lines: Iterable[Line], search: AssetSearch) -> list[Line]:
    """Return the assets of the place and with the words that were asked for, whatever their state."""
    words = search.words.casefold().split()
    if not words and not search.under:
        return [*lines]
    return [line for line in lines if is_below(line.asset.key, search.under) and _has_words(line, words)]


def in_state(lines: Sequence[Line], search: AssetSearch) -> Sequence[Line]:
    """Return those in one of the states that were asked for."""
    return [line for line in lines if line.condition in search.states] if search.states else lines


def count_states(lines: Iterable[Line]) -> Counter[Condition]:
    """Count the assets in each state."""
    return Counter(line.condition for line in lines)


def _has_words(line: Line, words: Sequence[str]) -> bool:
    if not words:
        return True
    said = f"{line.asset.key} {line.summary}".casefold()
    return all(word in said for word in words)
