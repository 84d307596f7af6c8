"""What is said of alarms: conditions, what happened to them, verdicts. Pure."""

from collections.abc import Mapping

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.console.when import NS
from iot_edge_anomaly.console.words import duration, figure, sensor_title
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.views.plant import AlarmView
from iot_edge_anomaly.views.records import AlarmRecord, Verdict

EVENT_WORDS: Mapping[str, str] = {
    Event.RAISE: "Raised",
    Event.RE_RAISE: "Raised again",
    Event.RETURN: "The condition is over",
    Event.ACKNOWLEDGE: "Acknowledged",
    Event.SUPERSEDE: "A newer alarm took its place",
    Event.SHELVE: "Shelved",
    Event.SUPPRESS: "Suppressed: a graver alarm says the same",
    Event.REMOVE: "Out of service: maintenance began",
    Event.RELEASE_ACTIVE: "Back in sight",
    Event.RELEASE_NORMAL: "Back in sight, and over",
}
_LIMITS = {"HH": "High-high limit", "H": "High limit", "L": "Low limit", "LL": "Low-low limit"}
_OPEN = frozenset(AlarmState) - {AlarmState.NORMAL}


def condition_title(condition: str, settings: AssetSettings) -> str:
    """Say what kind of alarm it is.

    >>> condition_title("limit:flow:HH", AssetSettings()), condition_title("score", AssetSettings())
    ('High-high limit of flow', 'Learned: the sensors together')
    """
    kind, _, rest = condition.partition(":")
    if kind == "limit":
        sensor, _, side = rest.rpartition(":")
        return f"{_LIMITS.get(side, 'Limit')} of {_lower(sensor_title(settings, sensor))}"
    if kind == "silence":
        return "No readings" if rest == "*" else f"No readings of {_lower(sensor_title(settings, rest))}"
    if kind == "stuck":
        return f"{sensor_title(settings, rest)} is stuck"
    return "Learned: the sensors together" if kind == "score" else condition


def event_words(event: AlarmEvent) -> str:
    """Say what happened to an alarm."""
    return EVENT_WORDS.get(event.event, event.event)


def measured(event: AlarmEvent) -> str:
    """Say what was compared with what, where the reason does not."""
    if event.condition != "score":
        return ""
    return f"Score {figure(event.score)}; above {figure(event.threshold)} is an alarm"


def lasted(alarm: AlarmView) -> str:
    """Say how long an alarm lasted; nothing while it is open.

    An alarm that nobody acknowledged was over when its condition was, not when somebody saw that.
    """
    if alarm.latest.after in _OPEN:
        return ""
    over = [event.time_ns for event in alarm.transitions if event.event == Event.RETURN]
    end_ns = over[-1] if over else alarm.latest.time_ns
    return f"lasted {duration((end_ns - alarm.raised.time_ns) / NS)}"


def verdict_title(verdict: Verdict | None) -> str:
    """Say in a word or two what a person thought of an alarm."""
    return "" if verdict is None else "right" if verdict.was_right else "false alarm"


def plain_name(record: AlarmRecord) -> str:
    """Return the asset's own name."""
    return record.alarm.key.asset.rpartition("/")[2]


def _lower(title: str) -> str:
    """Write the first letter small, unless it begins an abbreviation."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
