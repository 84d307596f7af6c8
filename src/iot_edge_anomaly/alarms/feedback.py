"""What verdicts on score alarms do to the level that the score has to pass. Pure; its memory is bounded.

A model is calibrated so that a score above 1 is odd. A person who calls an alarm wrong says that so high a score is
nothing yet: the level rises to just above the highest score that the alarm had up to then, for the same thing happening
again goes as high again, and not just as high as when the alarm was raised. Right says that the level was not too low:
it goes halfway back to 1. No verdict raises it by more than `MOST_AT_ONCE`, and all of them together not above
`HIGHEST`: a grave fault is told.

The level is worked out from the verdicts in the order they were given. A changed verdict takes the place of the earlier
one, as if it had been given then; so whoever takes a word back has the level back too.
"""

import math

import msgspec

CALIBRATED = 1.0
"""The level that a model is calibrated to."""

HIGHEST = 3.0
MOST_AT_ONCE = 1.25
JUST_ABOVE = 1.02
"""So many times as high as the alarm was: the same height is not quite the same to the last digit."""

AS_CALIBRATED = 1.01
"""What has come back below this is at 1 again."""

REMEMBERED = 32
"""Of so many score alarms, raised or judged last, a verdict moves the level and may be changed."""


class ScoreAlarm(msgspec.Struct, frozen=True, array_like=True):
    """A score alarm: how high the score went while it held, and what a person said of it (None: nothing yet).

    Once it is judged, its height stays.
    """

    alarm_id: str
    height: float
    was_right: bool | None = None


class Verdicts(msgspec.Struct, frozen=True, array_like=True):
    """The level, and what it rests on.

    `alarms`: those judged in the order of their first verdict, among those not judged in the order they were raised.
    `base`: the level that the verdicts lead to which are not remembered any more; `forgotten`: how many they are.
    """

    level: float = CALIBRATED
    alarms: tuple[ScoreAlarm, ...] = ()
    base: float = CALIBRATED
    forgotten: int = 0

    @property
    def given(self) -> int:
        """How many alarms were judged since the level was 1."""
        return self.forgotten + sum(alarm.was_right is not None for alarm in self.alarms)

    def covers(self, alarm_id: str) -> bool:
        """Tell whether an alarm is remembered and never was above the level."""
        return any(alarm.alarm_id == alarm_id and alarm.height <= self.level for alarm in self.alarms)


def moved(level: float, height: float, *, was_right: bool) -> float:
    """Return the level after a verdict on an alarm whose score was so high.

    >>> moved(1.0, 1.2, was_right=False), moved(1.0, 9.0, was_right=False), moved(1.44, 9.0, was_right=True)
    (1.224, 1.25, 1.2)
    """
    if was_right:
        back = math.sqrt(level)
        return back if back >= AS_CALIBRATED else CALIBRATED
    return max(level, min(height * JUST_ABOVE, level * MOST_AT_ONCE, HIGHEST))


def with_alarm(verdicts: Verdicts, alarm_id: str, height: float) -> Verdicts:
    """Remember an alarm that was raised; the oldest may be forgotten for it. The level stays."""
    alarms = (*verdicts.alarms, ScoreAlarm(alarm_id, height))
    if len(alarms) <= REMEMBERED:
        return msgspec.structs.replace(verdicts, alarms=alarms)
    oldest, *rest = alarms
    was_judged = oldest.was_right is not None
    base, forgotten = _after(verdicts.base, oldest), verdicts.forgotten + was_judged
    return msgspec.structs.replace(verdicts, alarms=tuple(rest), base=base, forgotten=forgotten)


def with_height(verdicts: Verdicts, alarm_id: str, height: float) -> Verdicts:
    """Remember how high the score went, where that is higher than what is known of an alarm that nobody judged yet."""
    alarms = verdicts.alarms
    for number, alarm in enumerate(alarms):
        if alarm.alarm_id == alarm_id and alarm.was_right is None and alarm.height < height:
            higher = ScoreAlarm(alarm_id, height)
            return msgspec.structs.replace(verdicts, alarms=(*alarms[:number], higher, *alarms[number + 1 :]))
    return verdicts


def with_verdict(verdicts: Verdicts, alarm_id: str, *, was_right: bool) -> Verdicts:
    """Let a person judge an alarm; one that is not remembered moves nothing."""
    known = next((alarm for alarm in verdicts.alarms if alarm.alarm_id == alarm_id), None)
    if known is None or known.was_right is was_right:
        return verdicts
    judged = ScoreAlarm(alarm_id, known.height, was_right)
    if known.was_right is None:
        alarms = (*(alarm for alarm in verdicts.alarms if alarm is not known), judged)
    else:
        alarms = tuple(judged if alarm is known else alarm for alarm in verdicts.alarms)
    level = verdicts.base
    for alarm in alarms:
        level = _after(level, alarm)
    return msgspec.structs.replace(verdicts, level=level, alarms=alarms)


def _after(level: float, alarm: ScoreAlarm) -> float:
    return level if alarm.was_right is None else moved(level, alarm.height, was_right=alarm.was_right)
