"""Which alarms a person asked for: in an address that can be shared, and as the records are asked. Pure."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, cast
from urllib.parse import quote, urlencode

from iot_edge_anomaly.console.view import Tenants
from iot_edge_anomaly.console.when import DAY_NS, NS, midnight_ns
from iot_edge_anomaly.core.outcomes import AlarmState, Priority
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord

NO_END = 1 << 62
LONGEST_WORDS = 200
_MINUTE_NS = 60 * NS
_OUT_OF_SIGHT = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})

STATES: Mapping[str, frozenset[AlarmState]] = {
    "": frozenset(),
    "open": frozenset(AlarmState) - {AlarmState.NORMAL},
    "unacknowledged": frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED}),
    "acknowledged": frozenset({AlarmState.ACKNOWLEDGED}),
    "hidden": _OUT_OF_SIGHT,
    "over": frozenset({AlarmState.NORMAL}),
}
STATE_TITLES: Mapping[str, str] = {
    "": "Any state",
    "open": "Open",
    "unacknowledged": "Not acknowledged",
    "acknowledged": "Acknowledged",
    "hidden": "Shelved, suppressed or in maintenance",
    "over": "Over",
}
PRIORITY_TITLES: Mapping[str, str] = {
    "": "Any priority",
    **{one.value: one.value.capitalize() for one in reversed(Priority)},
}
VERDICT_TITLES: Mapping[str, str] = {"": "Any verdict", "none": "Not judged", "right": "Right", "wrong": "Wrong"}
SPAN_DAYS: Mapping[str, int] = {"": 0, "1d": 1, "7d": 7, "30d": 30}
SPAN_TITLES: Mapping[str, str] = {"": "Any time", "1d": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}
_CHOICES = {"state": STATES, "priority": PRIORITY_TITLES, "verdict": VERDICT_TITLES, "span": SPAN_DAYS}


class AlarmSearch(NamedTuple):
    """What stands in the address. Empty: not asked for. `since` and `until` are days, both included."""

    words: str = ""
    prefix: str = ""
    state: str = ""
    priority: str = ""
    verdict: str = ""
    span: str = ""
    since: str = ""
    until: str = ""
    before: str = ""
    """Where the page begins: `<raised_ns>~<alarm id>` of the last alarm of the page before."""


def search_of(query: Mapping[str, str]) -> AlarmSearch:
    """Read an address; what makes no sense is left out."""
    found = {name: query.get(name, "").strip()[:LONGEST_WORDS] for name in AlarmSearch._fields}
    for name, choices in _CHOICES.items():
        found[name] = found[name] if found[name] in choices else ""
    for name in ("since", "until"):
        found[name] = found[name] if midnight_ns(found[name]) is not None else ""
    return AlarmSearch(**found)


def address_of(search: AlarmSearch) -> str:
    """Return the address of a list of alarms.

    >>> address_of(AlarmSearch(words="flow low", state="open"))
    '/alarms?words=flow+low&state=open'
    """
    asked = urlencode([(name, value) for name, value in search._asdict().items() if value])
    return f"/alarms?{asked}" if asked else "/alarms"


def alarm_address(alarm_id: str) -> str:
    """Return the address of one alarm."""
    return f"/alarm/{quote(alarm_id, safe='')}"


def filter_of(search: AlarmSearch, tenants: Tenants, now_ns: int, limit: int) -> AlarmFilter:
    """Return what the records are asked. The same for a minute, so that those who look alike share the answer."""
    since_ns = (midnight_ns(search.since) or 0) if search.since else 0
    if days := SPAN_DAYS[search.span]:
        since_ns = max(since_ns, now_ns // _MINUTE_NS * _MINUTE_NS - days * DAY_NS)
    last_day = midnight_ns(search.until)
    return AlarmFilter(
        tenants,
        search.words,
        search.prefix.strip("/"),
        STATES[search.state],
        frozenset({Priority(search.priority)}) if search.priority else frozenset(),
        cast('Literal["", "none", "right", "wrong"]', search.verdict),
        since_ns,
        NO_END if last_day is None else last_day + DAY_NS,
        limit,
        place_of(search.before),
    )


def place_of(before: str) -> tuple[int, str] | None:
    """Read where a page begins; None: at the newest alarm.

    >>> place_of("5~A1"), place_of("x~A1"), place_of("")
    ((5, 'A1'), None, None)
    """
    time_ns, _, alarm_id = before.partition("~")
    return (int(time_ns), alarm_id) if time_ns.isdecimal() and len(time_ns) < 20 and alarm_id else None


def before_of(record: AlarmRecord) -> str:
    """Return where the page begins that follows after this alarm."""
    return f"{record.alarm.raised.time_ns}~{record.alarm.raised.alarm_id}"
