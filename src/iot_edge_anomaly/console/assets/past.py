"""The history of one asset as its chart needs it: read again only when the chart wants more than was read."""

from dataclasses import dataclass

from iot_edge_anomaly.console.recall import Recall
from iot_edge_anomaly.console.view import History
from iot_edge_anomaly.console.when import NS
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.stretch import Stretch

POINTS = 4_000
AGAIN_NS = 30 * NS
"""What is not there yet is asked for so often."""

MARGIN = 8


@dataclass
class Past:
    """Rows that were read, and of which time. `problem` says why there are none, if there is a reason."""

    history: History | None
    recall: Recall
    key: AssetKey
    rows: Stretch | None = None
    problem: str = ""
    _since_ns: int = 0
    _asked_ns: int = 0

    async def read(self, since_ns: int, until_ns: int, live_since_ns: int, now_ns: int) -> None:
        """Read the rows of a time, unless those that were read reach from its start to what is in memory."""
        if self.history is None or since_ns >= live_since_ns:
            return
        reaches = self.rows is not None and int(self.rows.times[-1]) >= min(live_since_ns, until_ns)
        is_new = not self._asked_ns or since_ns < self._since_ns
        if is_new or (not reaches and now_ns - self._asked_ns > AGAIN_NS):
            self._since_ns, self._asked_ns = since_ns - (until_ns - since_ns) // MARGIN, now_ns
            self.rows = await self.between(self._since_ns, until_ns + 1)

    async def between(self, since_ns: int, until_ns: int) -> Stretch | None:
        """Return the rows of a time as finely as a chart can show them."""
        if self.history is None:
            return None
        try:
            found = await self.recall.ask(self.history.trend, self.key, since_ns, until_ns, POINTS)
        except UnavailableError as error:
            self.problem = f"History cannot be read just now: {error}"
            return None
        self.problem = ""
        return found

    def forget(self) -> None:
        """Read anew what is asked for next."""
        self.rows, self._asked_ns, self._since_ns = None, 0, 0
