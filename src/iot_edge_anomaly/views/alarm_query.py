"""Turn a filter of alarms into a statement: values bound, wildcards escaped; what cannot be stored matches nothing."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, and_, false, func, or_, select, true

from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.outcomes import AlarmState
from iot_edge_anomaly.views.records import AlarmFilter
from iot_edge_anomaly.views.tables import ALARMS

MOST_ALARMS = 1_000
"""So many are returned at once."""

MOST_WORDS = 20
LONGEST_WORDS = 1_000
_BEHIND_SLASH = chr(ord("/") + 1)
LARGEST = (1 << 63) - 1
"""What a column of numbers can hold."""


def query(wanted: AlarmFilter) -> Select[Any]:
    """Return the statement that lists alarms, the newest first. Raises RejectedError for too many words."""
    alarms = ALARMS.c
    conditions = [
        of_tenants(ALARMS, wanted.tenants),
        of_prefix(ALARMS, wanted.prefix),
        *_words(wanted.words),
        alarms.raised_ns >= in_bounds(wanted.since_ns),
        alarms.raised_ns < in_bounds(wanted.until_ns),
    ]
    if wanted.states:
        conditions += [alarms.is_open.is_(True)] if AlarmState.NORMAL not in wanted.states else []
        conditions.append(alarms.state.in_(sorted(state.value for state in wanted.states)))
    if wanted.priorities:
        conditions.append(alarms.priority.in_(sorted(priority.value for priority in wanted.priorities)))
    if wanted.verdict:
        conditions.append(alarms.verdict == ("" if wanted.verdict == "none" else wanted.verdict))
    if wanted.before is not None:
        conditions.append(_older(*wanted.before))
    newest_first = (alarms.raised_ns.desc(), alarms.alarm_id.desc())
    return select(ALARMS).where(*conditions).order_by(*newest_first).limit(bounded(wanted.limit))


def of_tenants(table: Table, tenants: frozenset[str] | Literal["*"]) -> ColumnElement[bool]:
    """Return the condition that a row is of one of these tenants."""
    if tenants == "*":
        return true()
    names = sorted(filter(is_storable, tenants))
    return table.c.tenant.in_(names) if names else false()


def of_prefix(table: Table, prefix: str) -> ColumnElement[bool]:
    """Return the condition that the full name `tenant/asset` begins with whole levels of a prefix."""
    tenant, _, levels = prefix.strip("/").partition("/")
    if not tenant:
        return true()
    if not is_storable(prefix):
        return false()
    of_tenant = table.c.tenant == tenant
    if not levels:
        return of_tenant
    asset = table.c.asset
    near = and_(asset >= levels, asset < f"{levels}{_BEHIND_SLASH}")
    return and_(of_tenant, near, or_(asset == levels, func.substr(asset, 1, len(levels) + 1) == f"{levels}/"))


def is_storable(text: str) -> bool:
    """Tell whether a database can hold this text: no half of a surrogate pair, no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def in_bounds(number: int) -> int:
    """Return the nearest number that a database can hold."""
    return max(min(number, LARGEST), -LARGEST)


def bounded(limit: int) -> int:
    """Return how many rows to ask for."""
    return max(min(limit, MOST_ALARMS), 0)


def _words(text: str) -> Sequence[ColumnElement[bool]]:
    words = text.casefold().split()
    if len(words) > MOST_WORDS or len(text) > LONGEST_WORDS:
        raise RejectedError(f"that is too long to search for: at most {MOST_WORDS} words of {LONGEST_WORDS} characters")
    if not all(map(is_storable, words)):
        return [false()]
    return [ALARMS.c.words.contains(word, autoescape=True) for word in words]


def _older(raised_ns: int, alarm_id: str) -> ColumnElement[bool]:
    if not is_storable(alarm_id):
        return false()
    raised = in_bounds(raised_ns)
    alarms = ALARMS.c
    return and_(alarms.raised_ns <= raised, or_(alarms.raised_ns < raised, alarms.alarm_id < alarm_id))
