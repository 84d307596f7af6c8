"""The fields by which alarms are searched: a plain form, so that the address says what is shown."""

from collections.abc import Mapping

from iot_edge_anomaly.console.alarms.search import (
    PRIORITY_TITLES,
    SPAN_TITLES,
    STATE_TITLES,
    VERDICT_TITLES,
    AlarmSearch,
    address_of,
)
from iot_edge_anomaly.console.elements import box, choice, field, link, text

QUICK: Mapping[str, AlarmSearch] = {
    "All": AlarmSearch(),
    "Open": AlarmSearch(state="open"),
    "Not acknowledged": AlarmSearch(state="unacknowledged"),
    "To judge": AlarmSearch(state="over", verdict="none"),
    "False alarms": AlarmSearch(verdict="wrong"),
}
_LEAVE_OUT_WHAT_IS_EMPTY = "e => { for (const one of e.target.elements) one.disabled = !one.value && !!one.name }"


def filters(search: AlarmSearch) -> None:
    """Add the fields, filled with what is searched."""
    with box("quick", "nav").props('aria-label="Often looked for"'):
        for title, quick in QUICK.items():
            made = link(title, address_of(quick))
            if quick == search._replace(before=""):
                made.props["aria-current"] = "page"
    with box("filters", "form").props('method=get action=/alarms role=search aria-label="Search alarms"') as form:
        field("Words", "words", search.words, "search", "words").props["placeholder"] = "asset, reason or number"
        with box("more", "details") as more:
            is_asked = any(search._replace(words="", before="", state="", verdict=""))
            more.props["open"] = is_asked or search._replace(before="", words="") not in QUICK.values()
            text("summary", "More filters")
            with box("fields"):
                _fields(search)
        text("button", "Search", "primary").props("type=submit")
    form.on("submit", js_handler=_LEAVE_OUT_WHAT_IS_EMPTY)


def _fields(search: AlarmSearch) -> None:
    field("Asset or place", "prefix", search.prefix).props["placeholder"] = "tenant/site/line"
    choice("State", "state", STATE_TITLES, search.state)
    choice("Priority", "priority", PRIORITY_TITLES, search.priority)
    choice("Verdict", "verdict", VERDICT_TITLES, search.verdict)
    choice("Raised", "span", SPAN_TITLES, search.span)
    field("From", "since", search.since, "date")
    field("Until", "until", search.until, "date")
