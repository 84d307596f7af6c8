"""The assets whose promise of few false alarms is broken, on the overview."""

from collections.abc import Mapping

from iot_edge_anomaly.console.alarms.listing import arrange
from iot_edge_anomaly.console.assets.listing import asset_address
from iot_edge_anomaly.console.budget.words import broken_words
from iot_edge_anomaly.console.elements import box, link, show, text
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.promise import Promise, broken

MOST_NAMED = 3


class BrokenPromises:
    """How many there are, and the first few by name with their figures; hidden while there are none."""

    def __init__(self) -> None:
        self._rows: dict[AssetKey, _Row] = {}
        with box("broken-promises") as self._box:
            self._said = text("p", "", "promised broken")
            self._list = box("broken-rows", "ul")
        show(self._box, False)

    def update(self, promises: Mapping[AssetKey, Promise]) -> None:
        """Show those of these that are broken."""
        found = broken(promises.values())
        shown = {promise.key: promise for promise in found[:MOST_NAMED]}
        show(self._box, bool(found))
        self._said.text = broken_words(found)
        arrange(self._list, self._rows, [*shown], _Row)
        for key, promise in shown.items():
            self._rows[key].update(promise)


class _Row:
    def __init__(self, key: AssetKey) -> None:
        with box("", "li") as self.root:
            link(key.asset.rpartition("/")[2], asset_address(key), "name")
            self._words = text("span", "", "hint")

    def update(self, promise: Promise) -> None:
        self._words.text = promise.words
