"""What one commit adds to the view database, as rows of its tables. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import (
    ROW_QUALITIES,
    AlarmEvent,
    AssetOutcome,
    Commit,
    Notice,
    Phase,
    RowQuality,
    Rows,
)
from iot_edge_anomaly.views.records import DAY_NS
from iot_edge_anomaly.views.tables import COUNT_COLUMNS, ROW_COLUMNS, SUMS

VERDICTS = {"feedback-right": "right", "feedback-wrong": "wrong"}
"""What notices say of alarms, and how it is kept."""

LEFT_OUT = frozenset({"sensor-vanished", "sensor-returned", "waiting-too-long", "detector-restarted"})
"""Notices that may come by the thousand and that nobody asks for later."""

Row = dict[str, Any]


class Place(NamedTuple):
    """Where a commit stands: its partition and its sequence in OUTCOMES; `clock_ns`: the time as commits tell it."""

    partition: int
    position: int
    clock_ns: int


class Change(NamedTuple):
    """One transition of an alarm, or one verdict on it; `number` is its place among those of its commit."""

    key: AssetKey
    place: Place
    number: int
    of: AlarmEvent | Notice

    @property
    def alarm_id(self) -> str:
        """The alarm that it concerns."""
        return self.of.alarm_id if isinstance(self.of, AlarmEvent) else self.of.sensor


@dataclass
class Entries:
    """What some commits of one partition add."""

    changes: list[Change] = field(default_factory=list)
    notices: list[Row] = field(default_factory=list)
    days: dict[tuple[AssetKey, int], Row] = field(default_factory=dict)

    def add(self, commit: Commit, place: Place) -> None:
        """Add what one commit says."""
        transitions, notices = count(), count()
        for outcome in commit.assets:
            self._count(outcome, place)
            for event in outcome.alarms:
                self.changes.append(Change(outcome.key, place, next(transitions), event))
            for notice in outcome.notices:
                number = next(notices)
                if notice.kind in VERDICTS:
                    self.changes.append(Change(outcome.key, place, number, notice))
                elif notice.kind not in LEFT_OUT:
                    self.notices.append(_notice_row(outcome.key, place, number, notice))

    def _count(self, outcome: AssetOutcome, place: Place) -> None:
        for source in outcome.counts:
            day = self._day(outcome.key, place.clock_ns // DAY_NS, place)
            for name in COUNT_COLUMNS:
                day[name] += getattr(source, name)
        for event in outcome.alarms:
            if event.event == Event.RAISE:
                self._day(outcome.key, event.time_ns // DAY_NS, place)["raised"] += 1
        if outcome.rows is not None:
            for number, sums in _rows_by_day(outcome.rows):
                day = self._day(outcome.key, number, place)
                for name, amount in sums.items():
                    day[name] += amount

    def _day(self, key: AssetKey, number: int, place: Place) -> Row:
        found = self.days.get((key, number))
        if found is None:
            found = {"tenant": key.tenant, "asset": key.asset, "day": number, **dict.fromkeys(SUMS, 0)}
            found["partition"] = place.partition
            self.days[key, number] = found
        found["touched_ns"] = place.clock_ns
        return found


def _rows_by_day(rows: Rows) -> Iterator[tuple[int, dict[str, int]]]:
    days, qualities = rows.times() // DAY_NS, rows.qualities()
    good, rejected = ROW_QUALITIES.index(RowQuality.GOOD), ROW_QUALITIES.index(RowQuality.REJECTED)
    not_judged = ROW_QUALITIES.index(RowQuality.NOT_JUDGED)
    for day in np.unique(days).tolist():
        counts = np.bincount(qualities[days == day], minlength=len(ROW_QUALITIES)).tolist()
        unjudged = counts.pop(not_judged)
        scored = sum(counts) - counts[rejected] if rows.phase is Phase.CALIBRATED else 0
        counts[good] += unjudged  # nothing is wrong with its values
        yield day, {**dict(zip(ROW_COLUMNS, counts, strict=True)), "watched_ns": scored * rows.grid_ns}


def _notice_row(key: AssetKey, place: Place, number: int, notice: Notice) -> Row:
    return {
        "partition": place.partition,
        "position": place.position,
        "number": number,
        "tenant": key.tenant,
        "asset": key.asset,
        "kind": notice.kind,
        "sensor": notice.sensor,
        "text": notice.text,
        "by": notice.by,
        "note": notice.note,
        "touched_ns": place.clock_ns,
    }
