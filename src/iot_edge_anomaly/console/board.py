"""All assets as a person sees them at a glance, worked out once for all who look."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar, cast

from iot_edge_anomaly.console.view import PlantView
from iot_edge_anomaly.console.words import Condition, condition_of, summary, worst_priority
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Priority
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import AssetView

KEPT_NS = 400_000_000
"""Shorter than the beat of a page: each beat of a page shows something new."""

URGENT = (Condition.ALARM, Condition.ACKNOWLEDGED, Condition.RETURNED)


T = TypeVar("T")


class Line(NamedTuple):
    """One asset, and what is said of it."""

    asset: AssetView
    settings: AssetSettings
    condition: Condition
    priority: Priority | None
    summary: str


def by_key(lines: Sequence[Line]) -> Mapping[AssetKey, Line]:
    """Return each line by its asset."""
    return {line.asset.key: line for line in lines}


class Board:
    """The lines of all assets in order of name, kept for a moment: twenty open pages cost what one does."""

    def __init__(self, view: PlantView, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._lines: tuple[Line, ...] = ()
        self._at_ns = 0
        self._tenants: frozenset[str] = frozenset()
        self._shared: dict[tuple[Callable[[Sequence[Line]], object], frozenset[str]], object] = {}

    def lines(self, who: Principal) -> Sequence[Line]:
        """Return the assets that a principal may see."""
        return self._of(self._seen(who))

    def shared(self, who: Principal, work: Callable[[Sequence[Line]], T]) -> T:
        """Return what `work` makes of the assets a principal may see, made once for all who see the same."""
        seen = self._seen(who)
        if (work, seen) not in self._shared:
            self._shared[work, seen] = work(self._of(seen))
        return cast("T", self._shared[work, seen])

    def _seen(self, who: Principal) -> frozenset[str]:
        now_ns = self._clock.now_ns()
        if not 0 <= now_ns - self._at_ns < KEPT_NS:
            self._lines, self._at_ns = tuple(self._line(asset, now_ns) for asset in self._view.assets()), now_ns
            self._tenants = frozenset(line.asset.key.tenant for line in self._lines)
            self._shared.clear()
        return frozenset(tenant for tenant in self._tenants if who.may(Permission.READ, tenant))

    def _of(self, seen: frozenset[str]) -> Sequence[Line]:
        return self._lines if seen == self._tenants else [one for one in self._lines if one.asset.key.tenant in seen]

    def _line(self, asset: AssetView, now_ns: int) -> Line:
        settings = self._view.settings(asset.key)
        condition = condition_of(asset, settings, now_ns)
        return Line(asset, settings, condition, worst_priority(asset), summary(asset, settings, now_ns))
