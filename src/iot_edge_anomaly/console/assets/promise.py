"""Whether the false-alarm promise of an asset is broken, and where verdicts have put its threshold: a line each."""

from iot_edge_anomaly.console.budget.span import BudgetSearch, budget_address, read_promises
from iot_edge_anomaly.console.budget.words import WHAT_HELPS, is_broken, level_words, promise_words
from iot_edge_anomaly.console.elements import box, link, show, text
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.when import DAY_NS
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmLevel
from iot_edge_anomaly.views.promise import Promise


class AssetPromise:
    """Hidden while there is nothing to say, which is nearly always."""

    def __init__(self, visit: Visit, key: AssetKey) -> None:
        self._visit, self._key = visit, key
        with box("then promise", "section").props('aria-label="False alarms"') as self._box:
            with box("line") as self._broken:
                self._words = text("span", "", "promised broken")
                text("span", WHAT_HELPS, "hint")
            with box("line"):
                self._level = text("span", "", "level")
                link("False-alarm budget", budget_address(BudgetSearch(words=str(key))), "more")
        show(self._box, False)

    async def update(self, level: AlarmLevel | None) -> None:
        """Show what there is to say; nothing of the promise where what is kept cannot be read."""
        found = await self._read()
        show(self._box, is_broken(found) or level is not None)
        show(self._broken, is_broken(found))
        self._words.text = "" if found is None else sentence(promise_words(found))
        self._level.text = sentence(level_words(level))
        show(self._level, level is not None)

    async def _read(self) -> Promise | None:
        console = self._visit.console
        if console.records is None:
            return None
        about = (console.records, console.view.settings, frozenset({self._key.tenant}))
        day = self._visit.now_ns() // DAY_NS
        try:
            found = await console.recall.ask(read_promises, *about, day, str(self._key))
        except UnavailableError:
            return None
        return found.get(self._key)
