"""A real view database for the console: written by the writer of the platform, from commits that tests make up."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import msgspec
import numpy as np

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.streams import outcomes_subject
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import (
    AlarmEvent,
    AlarmState,
    AssetOutcome,
    Commit,
    Contributor,
    Notice,
    Phase,
    Priority,
    Rows,
    SourceCount,
)
from iot_edge_anomaly.storage.database import build_database, view_database
from iot_edge_anomaly.views.tables import LAYOUT, TABLES
from iot_edge_anomaly.views.writer import Writer

NS = 1_000_000_000
HOUR_NS = 3600 * NS
DAY_NS = 24 * HOUR_NS
PARTITION = 0
KEEP_DAYS = 400
NORMAL, UNSEEN, SEEN = AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED


class SeededRecords:
    """Tells the view database what commits would; each call is one commit."""

    def __init__(self, data_dir: Path) -> None:
        self._writer = Writer(build_database(view_database(data_dir), TABLES, LAYOUT), KEEP_DAYS)
        reached = self._writer.reached().get(PARTITION)
        self._numbers = count(1 if reached is None else reached.position + 1)

    def tell(self, now_ns: int, outcomes: Sequence[AssetOutcome]) -> None:
        seq = next(self._numbers)
        commit = Commit(PARTITION, seq, seq, now_ns, tuple(outcomes))
        self._writer.apply(PARTITION, [Message(seq, outcomes_subject(PARTITION), encode_commit(commit))])

    def alarms(self, key: AssetKey, *events: AlarmEvent) -> None:
        self.tell(max(event.time_ns for event in events), [outcome(key, alarms=events)])

    def judge(self, key: AssetKey, alarm_id: str, was_right: bool, by: str, note: str, at_ns: int) -> None:
        kind = "feedback-right" if was_right else "feedback-wrong"
        self.tell(at_ns, [outcome(key, notices=(Notice(kind, alarm_id, "", at_ns, by, note),))])

    def days(self, keys: Sequence[AssetKey], day_ns: int, hours: int = 24, quality: bytes = b"") -> None:
        """So many hourly rows of calibrated assets."""
        rows = hourly(day_ns, hours, quality)
        self.tell(day_ns + hours * HOUR_NS, [outcome(key, rows=rows, counts=(COUNTED,)) for key in keys])


COUNTED = SourceCount("plc", accepted=8640, used=8600, duplicate=12, late=24, set_aside=4)


def outcome(key: AssetKey, **what: object) -> AssetOutcome:
    return AssetOutcome(key.tenant, key.asset, Phase.CALIBRATED, 1.0, **what)  # type: ignore[arg-type]


def hourly(day_ns: int, hours: int, quality: bytes) -> Rows:
    blank = np.zeros(hours)
    return Rows(
        ("flow",),
        (day_ns + np.arange(hours) * HOUR_NS).astype("<i8").tobytes(),
        blank.tobytes(),
        blank.tobytes(),
        (quality + bytes(hours))[:hours],
        blank.astype("<f4").tobytes(),
        blank.astype("<f4").tobytes(),
        Phase.CALIBRATED,
        "sha256:m",
        HOUR_NS,
    )


def learned_alarm(name: str, at_ns: int, priority: Priority = Priority.MEDIUM, reason: str = "") -> AlarmEvent:
    """An alarm of the model, as it was raised."""
    return AlarmEvent(
        name,
        f"I{name[1:]}",
        "score",
        "raise",
        NORMAL,
        UNSEEN,
        at_ns,
        priority,
        reason or "vibration 1.1 mm/s above what speed predicts",
        1.6,
        1.0,
        (Contributor("vibration", 0.8, 3.0, 1.9, "mm/s"), Contributor("speed", 0.2, 1290.0, 1288.0, "1/min")),
    )


def then(event: AlarmEvent, what: str, after: AlarmState, seconds: int, by: str = "", note: str = "") -> AlarmEvent:
    """What happened so many seconds after that."""
    at_ns = event.time_ns + seconds * NS
    return msgspec.structs.replace(event, event=what, before=event.after, after=after, time_ns=at_ns, by=by, note=note)


def over(raised: AlarmEvent) -> tuple[AlarmEvent, ...]:
    """A life of an alarm: raised, seen after a minute, over after ten."""
    seen = then(raised, "acknowledge", SEEN, 60, "ben", "on my way")
    return raised, seen, then(seen, "return", NORMAL, 540)
