"""What is kept of alarms and days for as long as people ask for it, as values."""

from typing import Literal, NamedTuple

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmState, Priority
from iot_edge_anomaly.views.alarm_log import AlarmView

DAY_NS = 86_400 * 1_000_000_000


class Verdict(NamedTuple):
    """What a person said of an alarm."""

    was_right: bool
    by: str
    note: str
    at_ns: int


class AlarmRecord(NamedTuple):
    """One alarm with all that was kept of it; the latest verdict counts."""

    alarm: AlarmView
    verdict: Verdict | None = None


class AlarmFilter(NamedTuple):
    """Which alarms, the newest first. `before` is the (raised_ns, alarm_id) of the last one of the page before."""

    tenants: frozenset[str] | Literal["*"]
    words: str = ""
    """Parts of asset, reason or id, all of which must occur; case does not matter."""
    prefix: str = ""
    """Beginning of the full name `tenant/site/...`, whole levels; an asset's own name is one too."""
    states: frozenset[AlarmState] = frozenset()
    """Empty: all."""
    priorities: frozenset[Priority] = frozenset()
    verdict: Literal["", "none", "right", "wrong"] = ""
    since_ns: int = 0
    until_ns: int = 1 << 62
    limit: int = 100
    before: tuple[int, str] | None = None


class AssetDay(NamedTuple):
    """One asset on one day (UTC). `rows` by quality as ROW_QUALITIES has them, those not judged among the good ones.

    Values as in the conservation sum.
    """

    key: AssetKey
    day: int
    """Days since 1970-01-01."""
    rows: tuple[int, int, int, int]
    accepted: int
    used: int
    duplicate: int
    late: int
    set_aside: int
    raised: int
    """Alarms of all conditions."""


class LearnedAlarms(NamedTuple):
    """The learned alarms (condition `score`) of one asset over a span of time, and how long it was watched."""

    key: AssetKey
    right: int
    wrong: int
    unjudged: int
    watched_seconds: float
    """Grid time scored by a calibrated model in the span."""


class JudgedAlarm(NamedTuple):
    """A learned alarm that somebody said was right or wrong: what moves the false-alarm figures."""

    key: AssetKey
    alarm_id: str
    raised_ns: int
    verdict: Verdict


class KeptNotice(NamedTuple):
    """What somebody did to an asset, or the system did of itself; `at_ns`: when it was worked in."""

    key: AssetKey
    kind: str
    sensor: str
    text: str
    at_ns: int
    by: str
    note: str
