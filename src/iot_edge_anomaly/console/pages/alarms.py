"""All alarms of all times, by incident: searched, opened, acknowledged, judged."""

from iot_edge_anomaly.console.alarms.acts import AlarmActs, note_field, verdict_button
from iot_edge_anomaly.console.alarms.filters import filters
from iot_edge_anomaly.console.alarms.listing import AlarmList
from iot_edge_anomaly.console.alarms.merge import merged, open_alarms, readable
from iot_edge_anomaly.console.alarms.search import address_of, before_of, filter_of, search_of
from iot_edge_anomaly.console.elements import box, button, link, set_prop, show, text
from iot_edge_anomaly.console.shell import PageSpec, Visit
from iot_edge_anomaly.console.words import sentence
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, UnavailableError
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord

SHOWN = 40
LIVE_SECONDS = 1.0
NO_RECORDS = "The record of past alarms is not here yet: only alarms that are open are shown. It appears by itself."


def build(visit: Visit) -> None:
    """List the alarms that the address asks for."""
    text("h1", "Alarms")
    filters(search_of(visit.request.query_params))
    found = _Found(visit)
    visit.every(LIVE_SECONDS, found.update)


class _Found:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._search = search_of(visit.request.query_params)
        self._problem = text("p", "", "problem").props("role=status")
        self._acts = AlarmActs(visit)
        self._bulk()
        self._nothing = text("p", "", "empty")
        show(self._nothing, False)
        self._alarms = AlarmList(visit, self._acts, self._on_choose)
        with box("pager", "nav").props("aria-label=More"):
            newest = link("‹ Newest", address_of(self._search._replace(before="")))
            show(newest, bool(self._search.before))
            self._older = link("Older ›", "", "older")
        show(self._older, False)

    def _bulk(self) -> None:
        with box("bulk").props('role=group aria-label="All that are chosen"') as self._bulk_box:
            self._count = text("span", "", "how-many").props("role=status")
            button("Acknowledge", self._on_acknowledge, "small primary")
            note = note_field()
            verdict_button("Right", note, lambda said: self._on_judge(True, said), "There was something wrong")
            verdict_button("Wrong", note, lambda said: self._on_judge(False, said), "False alarms")
            button("All on this page", lambda: self._alarms.choose(True), "small quiet")
            button("None", lambda: self._alarms.choose(False), "small quiet")
        show(self._bulk_box, False)

    async def update(self) -> None:
        """Show what is found now."""
        console, who = self._visit.console, self._visit.who
        wanted = filter_of(self._search, readable(who), self._visit.now_ns(), SHOWN + 1)
        kept = await self._kept(wanted)
        records = merged(kept, console.board.shared(who, open_alarms), wanted)
        shown, is_more = records[:SHOWN], len(records) > SHOWN
        self._alarms.update(shown)
        show(self._nothing, not shown)
        self._nothing.text = "No alarm is like that." if any(self._search) else "No alarm was ever raised."
        show(self._older, is_more)
        if is_more:
            set_prop(self._older, "href", address_of(self._search._replace(before=before_of(shown[-1]))))

    async def _kept(self, wanted: AlarmFilter) -> list[AlarmRecord]:
        console = self._visit.console
        problem, kept = NO_RECORDS, []
        if console.records is not None:
            try:
                kept, problem = await console.recall.ask(console.records.alarms, wanted), ""
            except UnavailableError as error:
                problem = f"{NO_RECORDS} ({error})"
            except IotEdgeAnomalyError as error:
                problem = sentence(str(error))
        show(self._problem, bool(problem))
        self._problem.text = problem
        return kept

    def _on_choose(self) -> None:
        count = len(self._alarms.chosen())
        show(self._bulk_box, count > 0)
        self._count.text = f"{count} chosen"

    async def _on_acknowledge(self) -> None:
        await self._acts.acknowledge(self._alarms.chosen())
        self._alarms.choose(False)

    async def _on_judge(self, was_right: bool, note: str) -> None:
        await self._acts.judge(self._alarms.chosen(), was_right, note)
        self._alarms.choose(False)


SPEC = PageSpec("/alarms", "Alarms", "notifications", build)
