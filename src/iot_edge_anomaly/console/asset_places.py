"""The places of a plant (tenant, site, area, line) as a tree that tells the worst of each branch. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from iot_edge_anomaly.console.board import URGENT, Line
from iot_edge_anomaly.console.words import Condition
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Priority

_ORDER = {condition: number for number, condition in enumerate(Condition)}
_URGENCY = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2, None: 3}


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
    """Return the tenants with all that is below them, each level in order of name."""
    return _level([(str(line.asset.key).split("/")[:-1], line) for line in lines], "")


def worst_first(lines: Sequence[Line]) -> list[Line]:
    """Put the assets in the order in which they want to be looked at."""
    return sorted(lines, key=lambda line: (*_badness(line), line.asset.key))


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


def _level(assets: Sequence[tuple[list[str], Line]], path: str) -> tuple[Place, ...]:
    depth = path.count("/") + 1 if path else 0
    groups: dict[str, list[tuple[list[str], Line]]] = {}
    for names, line in assets:
        if len(names) > depth:
            groups.setdefault(names[depth], []).append((names, line))
    return tuple(_place(name, f"{path}/{name}" if path else name, groups[name]) for name in sorted(groups))


def _place(name: str, path: str, assets: Sequence[tuple[list[str], Line]]) -> Place:
    worst = min((line for _, line in assets), key=_badness)
    urgent = sum(line.condition in URGENT for _, line in assets)
    return Place(path, name, len(assets), urgent, worst.condition, worst.priority, _level(assets, path))


def _badness(line: Line) -> tuple[int, int]:
    return _ORDER[line.condition], _URGENCY[line.priority]
