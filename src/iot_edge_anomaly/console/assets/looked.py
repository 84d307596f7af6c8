"""Which time of an asset is looked at, in an address that can be shared. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from iot_edge_anomaly.console.assets.listing import asset_address
from iot_edge_anomaly.console.when import NS
from iot_edge_anomaly.core.names import AssetKey

SPANS: Mapping[str, tuple[str, timedelta]] = {
    "2m": ("2 min", timedelta(minutes=2)),
    "1h": ("1 h", timedelta(hours=1)),
    "8h": ("8 h", timedelta(hours=8)),
    "1d": ("1 day", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
LIVE, PAST = "2m", "1h"
"""The span that is shown where none was asked for: now, and at another time."""

NO_TIME_NS = 1 << 62


class Looked(NamedTuple):
    """A span, and the time in the middle of it; None: the span ends now and moves on."""

    span: str = LIVE
    at_ns: int | None = None

    @property
    def length(self) -> timedelta:
        """How long the span is."""
        return SPANS[self.span][1]

    @property
    def length_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.length.total_seconds()) * NS

    def ends(self, newest_ns: int) -> tuple[int, int]:
        """Return the first and the last time of the span, where the newest row is of this time."""
        if self.at_ns is None:
            return newest_ns - self.length_ns, newest_ns
        return self.at_ns - self.length_ns // 2, self.at_ns + self.length_ns // 2

    def shifted(self, parts: int, newest_ns: int) -> "Looked":
        """Return so many half spans earlier or later; whoever reaches the newest row is live again."""
        since_ns, until_ns = self.ends(newest_ns)
        middle = (since_ns + until_ns) // 2 + parts * self.length_ns // 2
        return self._replace(at_ns=None if middle + self.length_ns // 2 >= newest_ns else max(middle, 0))


def looked_at(query: Mapping[str, str]) -> Looked:
    """Read an address; what makes no sense is left out."""
    said = query.get("at", "")
    at_ns = int(said) if said.isascii() and said.isdecimal() and len(said) < 20 else None
    at_ns = None if at_ns is None or at_ns >= NO_TIME_NS else at_ns
    span = query.get("span", "")
    return Looked(span if span in SPANS else LIVE if at_ns is None else PAST, at_ns)


def looked_address(key: AssetKey, looked: Looked) -> str:
    """Return the address of an asset at a time.

    >>> looked_address(AssetKey("demo", "hall/pump"), Looked("8h", 5))
    '/asset/demo/hall/pump?span=8h&at=5'
    """
    asked = [("span", looked.span)] if looked != Looked() else []
    asked += [("at", str(looked.at_ns))] if looked.at_ns is not None else []
    return f"{asset_address(key)}?{urlencode(asked)}" if asked else asset_address(key)
