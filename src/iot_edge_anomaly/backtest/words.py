"""What a backtest tells, in words: of alarms, of their number against the budget, of known events. Pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from iot_edge_anomaly.backtest.alarms import PastAlarm
from iot_edge_anomaly.backtest.known_events import Found, Verdict
from iot_edge_anomaly.backtest.run import Lessons, Outcome
from iot_edge_anomaly.backtest.times import Times, lasting
from iot_edge_anomaly.core.outcomes import Contributor

SENSORS = 3
OPEN = "open"


def sensor_words(part: Contributor) -> str:
    """Say what a sensor read and what was expected.

    >>> sensor_words(Contributor("flow", 0.714, 58.123, 70.0, "m³/h"))
    ' 71%  flow: 58.12 m³/h, expected 70'
    """
    actual = "missing" if math.isnan(part.actual) else f"{part.actual:.4g} {part.unit}".rstrip()
    expected = "" if math.isnan(part.expected) else f", expected {part.expected:.4g}"
    return f"{part.share:4.0%}  {part.sensor}: {actual}{expected}"


def why(alarm: PastAlarm) -> list[str]:
    """Return the reason of an alarm; of a learned one the first sensors behind it, too."""
    parts = alarm.raised.contributors[:SENSORS] if alarm.is_learned else ()
    return [alarm.raised.reason, *map(sensor_words, parts)]


def end(alarm: PastAlarm, times: Times) -> str:
    """Say when an alarm ended."""
    return OPEN if alarm.end_ns is None else times.shown(alarm.end_ns)


def learned(lessons: Lessons, times: Times) -> str:
    """Say what was learned from."""
    if lessons.problem:
        return f"{times.shown(lessons.from_ns)}: not learned anew, the model before goes on: {lessons.problem}"
    return f"{lessons.rows:,} rows, {times.shown(lessons.first_ns)} to {times.shown(lessons.last_ns)}"


def judged(outcome: Outcome, times: Times) -> str:
    """Say which rows were judged."""
    span = lasting(outcome.last_ns - outcome.first_ns)
    return f"{len(outcome.score):,} rows, {times.shown(outcome.first_ns)} to {times.shown(outcome.last_ns)} ({span})"


def found(verdict: Verdict, times: Times) -> str:
    """Say what became of a known event."""
    event, alarm = verdict.event, verdict.alarm
    said = f"{event.what or 'an event'}, {times.shown(event.start_ns)}: {verdict.found}"
    if verdict.found is Found.LEARNED:
        said += ": it lies in the rows that were learned from, so it was taken for normal"
    elif verdict.found is Found.NO_ROWS:
        said += " of that time"
    elif alarm is not None and verdict.found is Found.BEFORE:
        said += f" since {times.shown(alarm.start_ns)}, {lasting(-verdict.late_ns)} before: {alarm.raised.reason}"
    elif alarm is not None:
        said += f" {lasting(verdict.late_ns)} after its start: {alarm.raised.reason}"
    return f"{said} (it began in the rows that were learned from)" if verdict.is_partly_learned else said


class Counted(NamedTuple):
    """Learned alarms: `events` stood during known events, `others` did not; and alarms of limits."""

    events: int
    others: int
    limits: int

    @property
    def words(self) -> str:
        """How many there would have been."""
        told = f"{_many(self.events + self.others, 'learned alarm')}, {_many(self.limits, 'limit alarm')}"
        return f"{told}; {self.events} of the learned in known events" if self.events else told


def counted(outcome: Outcome, verdicts: Sequence[Verdict]) -> Counted:
    """Count the alarms that were raised in the rows that were judged."""
    raised = [alarm for alarm in outcome.alarms if alarm.start_ns >= outcome.first_ns]
    learned_ones = [alarm for alarm in raised if alarm.is_learned]
    right = sum(any(alarm.overlaps(one.event.start_ns, one.event.end_ns) for one in verdicts) for alarm in learned_ones)
    return Counted(right, len(learned_ones) - right, len(raised) - len(learned_ones))


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
