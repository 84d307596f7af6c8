"""The places of a plant (tenant, site, area, line) as a tree that tells the worst of each branch. Pure."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from iot_edge_anomaly.console.board import URGENT, Line
from iot_edge_anomaly.console.words import Condition
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Priority

_ORDER = {condition: number for number, condition in enumerate(Condition)}
_URGENCY = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2, None: 3}

_State = tuple[AssetKey, Condition, Priority | None]
"""An asset, and all of its line that a place tells."""


class Place(NamedTuple):
    """A branch: so many assets below it, the worst of them, and how many want to be looked at."""

    path: str
    name: str
    assets: int
    urgent: int
    worst: Condition
    priority: Priority | None
    below: "tuple[Place, ...]"


def places(lines: Sequence[Line]) -> tuple[Place, ...]:
    """Return the tenants with all that is below them, each level in order of name.

    Made anew only where an asset came, went, or changed its state: from one beat to the next that is seldom so.
    """
    return _tree(tuple((line.asset.key, line.condition, line.priority) for line in lines))


def worst_first(lines: Sequence[Line]) -> list[Line]:
    """Put the assets in the order in which they want to be looked at."""
    return sorted(lines, key=lambda line: (*_badness(line.condition, line.priority), line.asset.key))


def place_of(key: AssetKey) -> str:
    """Return the path of the place an asset stands at."""
    return str(key).rpartition("/")[0]


def is_below(key: AssetKey, path: str) -> bool:
    """Tell whether an asset is at a place or below it; an empty path is everywhere."""
    return not path or f"{key}/".startswith(f"{path}/")


def above(path: str) -> Iterable[str]:
    """Return the path and all that are above it, the tenant first.

    >>> list(above("demo/station-1/pumping"))
    ['demo', 'demo/station-1', 'demo/station-1/pumping']
    """
    names = path.split("/")
    return ("/".join(names[: count + 1]) for count in range(len(names)))


@lru_cache(maxsize=8)
def _tree(states: tuple[_State, ...]) -> tuple[Place, ...]:
    return _level([(str(state[0]).split("/")[:-1], state) for state in states], "")


def _level(assets: Sequence[tuple[list[str], _State]], path: str) -> tuple[Place, ...]:
    depth = path.count("/") + 1 if path else 0
    groups: dict[str, list[tuple[list[str], _State]]] = {}
    for names, state in assets:
        if len(names) > depth:
            groups.setdefault(names[depth], []).append((names, state))
    return tuple(_place(name, f"{path}/{name}" if path else name, groups[name]) for name in sorted(groups))


def _place(name: str, path: str, assets: Sequence[tuple[list[str], _State]]) -> Place:
    _, worst, priority = min((state for _, state in assets), key=lambda state: _badness(*state[1:]))
    urgent = sum(condition in URGENT for _, (_, condition, _) in assets)
    return Place(path, name, len(assets), urgent, worst, priority, _level(assets, path))


def _badness(condition: Condition, priority: Priority | None) -> tuple[int, int]:
    return _ORDER[condition], _URGENCY[priority]
