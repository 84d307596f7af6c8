"""Alarms as their transitions tell them: all that are open, and the newest that are over."""

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState

MOST_ALARMS = 2_000
"""So many are kept of those that are over."""

LISTED_TRANSITIONS = 8
"""So many of the newest transitions of an alarm are kept, and told in lists; the view database has all of them."""

RAISE = Event.RAISE.value


class AlarmView(NamedTuple):
    """One alarm: the transition that raised it, its latest one, and the newest of all of them in order."""

    key: AssetKey
    raised: AlarmEvent
    latest: AlarmEvent
    transitions: tuple[AlarmEvent, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it is in any state but normal."""
        return self.latest.after is not AlarmState.NORMAL


class AlarmLog:
    """Keeps every open alarm, however old, and so many of those that are over."""

    def __init__(self, most_over: int = MOST_ALARMS) -> None:
        self._most_over = most_over
        self._alarms: dict[str, AlarmView] = {}
        self._open: dict[AssetKey, dict[str, None]] = {}
        self._over: dict[str, None] = {}

    def add(self, key: AssetKey, event: AlarmEvent) -> None:
        """Take a transition in; the oldest alarms that are over make room."""
        name = event.alarm_id
        known = None if event.event == RAISE else self._alarms.get(name)
        raised, before = (known.raised, known.transitions) if known else (event, ())
        self._alarms[name] = AlarmView(key, raised, event, (*before[1 - LISTED_TRANSITIONS :], event))
        if event.after is AlarmState.NORMAL:
            self._open.get(key, {}).pop(name, None)
            self._over[name] = None
        else:
            self._over.pop(name, None)
            self._open.setdefault(key, {})[name] = None
        while len(self._over) > self._most_over:
            oldest = next(iter(self._over))
            del self._over[oldest], self._alarms[oldest]

    def get(self, alarm_id: str) -> AlarmView | None:
        """Return one alarm."""
        return self._alarms.get(alarm_id)

    def open_of(self, key: AssetKey) -> tuple[AlarmView, ...]:
        """Return the open alarms of an asset in the order they were raised."""
        names = self._open.get(key)
        return tuple(sorted((self._alarms[name] for name in names), key=_age)) if names else ()

    def newest(self, limit: int, key: AssetKey | None = None) -> list[AlarmView]:
        """Return alarms, of one asset or of all, the newest first."""
        of_asset = (alarm for alarm in self._alarms.values() if key is None or alarm.key == key)
        return heapq.nlargest(limit, of_asset, key=_age)

    def incident(self, incident_id: str) -> list[AlarmView]:
        """Return the alarms of one incident in the order they were raised."""
        return sorted(_of(self._alarms.values(), incident_id), key=_age)


def _of(alarms: Iterable[AlarmView], incident_id: str) -> Iterable[AlarmView]:
    return (alarm for alarm in alarms if alarm.latest.incident_id == incident_id)


def _age(alarm: AlarmView) -> tuple[int, str]:
    return alarm.raised.time_ns, alarm.raised.alarm_id
