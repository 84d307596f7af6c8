"""What has drifted away from what the model of an asset learned, as long as it does: a line each, in words."""

from collections.abc import Iterable

from iot_edge_anomaly.console.elements import box, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import moment
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import DRIFT, DRIFT_OVER
from iot_edge_anomaly.views.records import KeptNotice

WHAT_TO_DO = "Is this how it runs from now on: New normal. Is something worn or off: repair it, and this goes away."


def standing(notices: Iterable[KeptNotice]) -> list[KeptNotice]:
    """Return the drifts that are not over, of notices of one asset, the newest first."""
    latest: dict[str, KeptNotice] = {}
    for notice in notices:
        if notice.kind in (DRIFT, DRIFT_OVER):
            latest.setdefault(notice.note, notice)
    return [notice for notice in latest.values() if notice.kind == DRIFT]


class AssetDrifts:
    """Written anew when something drifts or is over, which is seldom."""

    def __init__(self, visit: Visit, key: AssetKey) -> None:
        self._visit, self._key = visit, key
        self._written: list[KeptNotice] = []
        self._box = box("then drifts", "section").props('aria-label="Drift"')
        show(self._box, False)

    async def update(self, now_ns: int) -> None:
        """Show what drifts now; nothing where what is kept cannot be read, which the alarms below say."""
        found = await self._read()
        show(self._box, bool(found))
        if found == self._written:
            return
        self._written = found
        self._box.clear()
        with self._box:
            for notice in found:
                with box("line"):
                    text("span", "Drift", "priority")
                    text("span", sentence(notice.text))
                    text("span", f"since {moment(notice.at_ns, now_ns)}", "hint")
            if found:
                text("p", WHAT_TO_DO, "hint")

    async def _read(self) -> list[KeptNotice]:
        console = self._visit.console
        if console.records is None:
            return []
        try:
            notices = console.records.notices
            kept = await console.recall.ask(notices, frozenset({self._key.tenant}), 0, str(self._key))
        except UnavailableError:
            return []
        return standing(notice for notice in kept if notice.key == self._key)
