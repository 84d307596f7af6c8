"""False alarms: what was promised, what came of it, and whose words moved it."""

from collections.abc import Mapping

from iot_edge_anomaly.console.alarms.listing import arrange
from iot_edge_anomaly.console.alarms.merge import readable
from iot_edge_anomaly.console.board import by_key
from iot_edge_anomaly.console.budget.rows import BudgetRow, Fleet, VerdictRow
from iot_edge_anomaly.console.budget.span import (
    SHOWN,
    WEEKS,
    Figures,
    budget_address,
    budget_search_of,
    read_budget,
    read_promises,
    span_of,
    worst_first,
)
from iot_edge_anomaly.console.elements import box, field, link, show, text
from iot_edge_anomaly.console.shell import PageSpec, Visit
from iot_edge_anomaly.console.when import DAY_NS
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.views.budget import Budget, BudgetState
from iot_edge_anomaly.views.promise import Promise, broken
from iot_edge_anomaly.views.records import JudgedAlarm

LIVE_SECONDS = 1.0
MOST_VERDICTS = 20
NO_RECORDS = "The record of past alarms is not here yet, so there is nothing to count. It appears by itself."
WHAT_IT_IS = (
    "Each model is calibrated to a number of false alarms a week. Only people can say what was a false alarm: "
    "each verdict on an alarm moves these figures, and how high the score has to be for the next one."
)
WHAT_TO_DO = (
    "Judge what nobody has judged: each wrong alarm raises the threshold of its asset, a wide interval says little.",
    "Look at the false alarms and what they have in common: one asset, one sensor, one time of day.",
    "Where an asset runs differently for good, say so on its page: new normal. It learns anew.",
    "Where it was learned from too short a time, give it more rows to learn from (learn_rows in the settings).",
)


def build(visit: Visit) -> None:
    """Show promised against realised, over the weeks that the address asks for."""
    search = budget_search_of(visit.request.query_params)
    with box("line budget-title"):
        text("h1", "False-alarm budget")
        with box("quick", "nav").props('aria-label="Over how long"'):
            for weeks in WEEKS:
                made = link(f"{weeks} weeks", budget_address(search._replace(weeks=weeks, first=0)))
                if weeks == search.weeks:
                    made.props["aria-current"] = "page"
    text("p", WHAT_IT_IS, "hint")
    shown = _Shown(visit)
    visit.every(LIVE_SECONDS, shown.update)


class _Shown:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._search = budget_search_of(visit.request.query_params)
        self._rows: dict[AssetKey, BudgetRow] = {}
        self._verdicts: dict[JudgedAlarm, VerdictRow] = {}
        self._problem = text("p", "", "problem").props("role=status")
        show(self._problem, False)
        self._fleet = Fleet()
        with box("card what-to-do", "section") as self._advice:
            text("h2", "Over budget, or a promise broken: what helps")
            with box("", "ol"):
                for advice in WHAT_TO_DO:
                    text("li", advice)
        show(self._advice, False)
        with box("card", "section"):
            self._find()
            self._list = box("budget-rows", "ol").props('aria-label="Assets"')
            self._nothing = text("p", "", "hint")
            self._pager()
        with box("card", "section"):
            text("h2", "Verdicts that count here, the newest first")
            self._said = box("said-rows", "ol")
            self._nothing_said = text("p", "Nobody has judged a learned alarm of these weeks yet.", "hint")

    def _find(self) -> None:
        text("h2", "Asset by asset, worst first")
        with box("filters", "form").props("method=get action=/budget role=search"):
            if self._search.weeks != WEEKS[0]:
                weeks = box("", "input")
                weeks.props.update({"type": "hidden", "name": "weeks", "defaultValue": self._search.weeks})
            field("Asset or place", "words", self._search.words, "search", "words")
            text("button", "Find").props("type=submit")

    def _pager(self) -> None:
        with box("pager", "nav").props("aria-label=More"):
            worst = link("‹ Worst", budget_address(self._search._replace(first=0)))
            show(worst, self._search.first > 0)
            self._more = link(
                "More ›", budget_address(self._search._replace(first=self._search.first + SHOWN)), "older"
            )

    async def update(self) -> None:
        """Show the figures as they are now."""
        console, who = self._visit.console, self._visit.who
        problem = NO_RECORDS
        if console.records is not None:
            try:
                about = (console.records, console.view.settings, readable(who))
                span = span_of(self._search.weeks, self._visit.now_ns())
                figures = await console.recall.ask(read_budget, *about, *span)
                self._show(figures, await console.recall.ask(read_promises, *about, self._visit.now_ns() // DAY_NS, ""))
                problem = ""
            except UnavailableError as error:
                problem = f"{NO_RECORDS} ({error})"
            except IotEdgeAnomalyError as error:
                problem = sentence(str(error))
        show(self._problem, bool(problem))
        self._problem.text = problem

    def _show(self, figures: Figures, promises: Mapping[AssetKey, Promise]) -> None:
        found = figures.budget
        self._fleet.update(found.fleet, self._search.weeks)
        is_over = any(line.state is BudgetState.OVER for line in (found.fleet, *found.assets))
        show(self._advice, is_over or bool(broken(promises.values())))
        self._show_assets(found, promises)
        newest = dict.fromkeys(figures.judged[:MOST_VERDICTS])
        arrange(self._said, self._verdicts, [*newest], lambda judged: VerdictRow(judged))
        show(self._nothing_said, not newest)

    def _show_assets(self, found: Budget, promises: Mapping[AssetKey, Promise]) -> None:
        lines = worst_first(found.assets, self._search.words, [one.key for one in broken(promises.values())])
        assets = self._visit.console.board.shared(self._visit.who, by_key)
        first = self._search.first
        shown = {line.key: line for line in lines[first : first + SHOWN] if line.key is not None}
        arrange(self._list, self._rows, [*shown], lambda key: BudgetRow(key))
        for key, line in shown.items():
            level = assets[key].asset.alarm_level if key in assets else None
            self._rows[key].update(line, promises.get(key), level)
        show(self._nothing, not shown)
        self._nothing.text = "No asset is called that." if self._search.words else "No model has watched an asset yet."
        show(self._more, len(lines) > first + SHOWN)


SPEC = PageSpec("/budget", "Budget", "balance", build)
