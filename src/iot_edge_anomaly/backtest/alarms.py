"""Alarms as wholes, put together from what happened to them: from when to when, and how far it went. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.rows import SCORE
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.outcomes import AlarmEvent

Span = tuple[int, int | None]
"""From when on and up to when a condition held; None: it still does. ns UTC."""

_BEGINS = (Event.RAISE, Event.RE_RAISE, Event.RELEASE_ACTIVE)
_ENDS = (Event.RETURN, Event.RELEASE_NORMAL)


@dataclass(frozen=True)
class PastAlarm:
    """One alarm: how it was raised, and when its condition held.

    `peak`: of the condition `score` the highest score, of a limit the value furthest beyond it.
    """

    raised: AlarmEvent
    spans: tuple[Span, ...]
    peak: float

    @property
    def start_ns(self) -> int:
        """When it was raised."""
        return self.raised.time_ns

    @property
    def end_ns(self) -> int | None:
        """When it returned for good; None: it stands."""
        return self.spans[-1][1]

    @property
    def is_learned(self) -> bool:
        """Whether it comes from the score and not from a limit."""
        return self.raised.condition == SCORE

    def overlaps(self, since_ns: int, until_ns: int) -> bool:
        """Tell whether it stood at any time from one moment to another, both included."""
        return self.start_ns <= until_ns and (self.end_ns is None or self.end_ns >= since_ns)


def past_alarms(
    events: Iterable[AlarmEvent],
    sensors: tuple[str, ...],
    time_ns: NDArray[np.int64],
    score: NDArray[np.float64],
    values: Matrix,
    settings: AlarmSettings,
) -> tuple[PastAlarm, ...]:
    """Put alarms together, in the order they were raised, from what happened to them over n rows in time order."""
    found = []
    for raised, spans in _lives(events):
        start = int(np.searchsorted(time_ns, raised.time_ns))
        end_ns = spans[-1][1]
        stop = len(time_ns) if end_ns is None else int(np.searchsorted(time_ns, end_ns, "right"))
        peak = _peak(raised, score[start:stop], values[start:stop], sensors, settings)
        found.append(PastAlarm(raised, tuple(spans), peak))
    return tuple(found)


def held(events: Iterable[AlarmEvent]) -> list[Span]:
    """Return when conditions held, alarm by alarm."""
    return [span for _, spans in _lives(events) for span in spans]


def _lives(events: Iterable[AlarmEvent]) -> list[tuple[AlarmEvent, list[Span]]]:
    lives: dict[str, tuple[AlarmEvent, list[Span]]] = {}
    for event in events:
        kind = Event(event.event)
        if kind is Event.RAISE:
            lives[event.alarm_id] = (event, [(event.time_ns, None)])
        elif event.alarm_id in lives:
            spans = lives[event.alarm_id][1]
            begin_ns, end_ns = spans[-1]
            if kind in _BEGINS and end_ns is not None:
                spans.append((event.time_ns, None))
            elif kind in _ENDS and end_ns is None:
                spans[-1] = (begin_ns, event.time_ns)
    return list(lives.values())


def _peak(
    raised: AlarmEvent,
    score: NDArray[np.float64],
    values: Matrix,
    sensors: tuple[str, ...],
    settings: AlarmSettings,
) -> float:
    if raised.condition == SCORE:
        return float(score.max(initial=raised.score))
    limit = next(one for one in settings.limits if one.condition == raised.condition)
    column = values[:, sensors.index(limit.sensor)]
    column = column[np.isfinite(column)]
    return float(column.max(initial=raised.score) if limit.is_upper else column.min(initial=raised.score))
