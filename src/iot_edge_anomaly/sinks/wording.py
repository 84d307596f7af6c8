"""What sinks say of a transition: as JSON for programs, in plain words for people. Pure.

Programs get an `AlarmMessage`. Its fields are never taken away or changed in meaning without another `version`.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.outcomes import AlarmState, Contributor, Priority

VERSION = 1
MOST_TITLE = 160
ACTIVE = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED})

WORDS: Mapping[Event, str] = {
    Event.RAISE: "ALARM",
    Event.RE_RAISE: "ALARM again",
    Event.RETURN: "Over",
    Event.ACKNOWLEDGE: "Acknowledged",
    Event.SUPERSEDE: "Replaced by a new alarm",
    Event.SHELVE: "Shelved",
    Event.SUPPRESS: "Hidden by a graver alarm",
    Event.REMOVE: "In maintenance",
    Event.RELEASE_ACTIVE: "ALARM, back in sight",
    Event.RELEASE_NORMAL: "Closed",
}


class ContributorMessage(msgspec.Struct, frozen=True):
    """One sensor's part in an alarm: its share of the score, 0 to 1. None: not known."""

    sensor: str
    share: float | None
    actual: float | None
    expected: float | None
    unit: str


class AlarmMessage(msgspec.Struct, frozen=True):
    """One transition of one alarm, as programs get it. docs/sinks.md tells what each field means."""

    version: int
    id: str
    test: bool
    asset: str
    alarm: str
    incident: str
    condition: str
    event: str
    before: AlarmState
    after: AlarmState
    active: bool
    priority: Priority
    reason: str
    score: float | None
    threshold: float | None
    contributors: tuple[ContributorMessage, ...]
    time: str
    by: str
    note: str


def message(posting: Posting) -> AlarmMessage:
    """Return what programs get."""
    event = posting.event
    return AlarmMessage(
        VERSION,
        posting.id,
        posting.is_test,
        str(posting.key),
        event.alarm_id,
        event.incident_id,
        event.condition,
        event.event,
        event.before,
        event.after,
        event.after in ACTIVE,
        event.priority,
        event.reason,
        _finite(event.score),
        _finite(event.threshold),
        tuple(map(_contributor, event.contributors)),
        moment(event.time_ns),
        event.by,
        event.note,
    )


def as_json(posting: Posting) -> bytes:
    """Return what programs get as JSON, on one line."""
    return msgspec.json.encode(message(posting))


def title(posting: Posting) -> str:
    """Say what happened on one line of bounded length, free of control characters."""
    event = posting.event
    said = f"{WORDS[Event(event.event)]} ({event.priority}): {posting.key}"
    said += f" - {event.reason or event.condition}"
    if posting.is_test:
        said = f"TEST, no alarm: {said}"
    line = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    return line if len(line) <= MOST_TITLE else f"{line[: MOST_TITLE - 1]}…"


def text(posting: Posting) -> str:
    """Say what happened in plain words, several lines."""
    event = posting.event
    lines = [title(posting), ""]
    if posting.is_test:
        lines += ["A person sent this to see whether it arrives. Nothing is wrong at the plant.", ""]
    lines += [f"Asset      {posting.key}", f"Time       {moment(event.time_ns)}", f"Priority   {event.priority}"]
    lines += [f"Reason     {event.reason}"] if event.reason else []
    if event.condition == "score":
        lines.append(f"Score      {event.score:.3g} (above {event.threshold:.3g} is odd)")
    lines.append(f"State      {event.before} -> {event.after}")
    lines += [f"By         {event.by}{': ' + event.note if event.note else ''}"] if event.by else []
    if event.contributors:
        lines += ["", "Sensors that had the largest part in it:", *map(_line, event.contributors)]
    lines += ["", f"Alarm {event.alarm_id}, incident {event.incident_id}, condition {event.condition}"]
    return "\n".join(lines) + "\n"


def moment(time_ns: int) -> str:
    """Write a time as RFC 3339, UTC, to the millisecond.

    >>> moment(1_767_225_600_123_456_789)
    '2026-01-01T00:00:00.123Z'
    """
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def _contributor(part: Contributor) -> ContributorMessage:
    return ContributorMessage(part.sensor, _finite(part.share), _finite(part.actual), _finite(part.expected), part.unit)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _line(part: Contributor) -> str:
    said = f"  {part.sensor}: {part.share:.0%}"
    if math.isfinite(part.actual):
        said += f", reads {part.actual:.4g}{' ' + part.unit if part.unit else ''}"
    if math.isfinite(part.expected):
        said += f", expected {part.expected:.4g}"
    return said
