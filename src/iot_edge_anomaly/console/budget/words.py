"""What is said of promises, and of levels that verdicts have moved. Pure."""

from collections.abc import Sequence

from iot_edge_anomaly.core.outcomes import AlarmLevel
from iot_edge_anomaly.views.promise import Promise, PromiseState

WHAT_HELPS = "Judge its alarms: a false one raises the threshold, one that was right does not count here."


def level_words(level: AlarmLevel | None) -> str:
    """Say what the score has to pass; nothing where that is 1, as the model is calibrated.

    >>> level_words(AlarmLevel(1.1801, 2)), level_words(AlarmLevel(1.25, 1)), level_words(None)
    ('threshold raised to 1.18 by 2 verdicts', 'threshold raised to 1.25 by 1 verdict', '')
    """
    if level is None:
        return ""
    return f"threshold raised to {level.score:.2f} by {level.verdicts} verdict{'' if level.verdicts == 1 else 's'}"


def promise_words(promise: Promise) -> str:
    """Say whether a promise holds, with its figures: alarms that nobody called right."""
    nobody = " that nobody called right" if promise.alarms else ""
    return f"promise {promise.state}: {promise.words}{nobody}"


def broken_words(broken: Sequence[Promise]) -> str:
    """Say how many promises are broken; nothing where none is."""
    if not broken:
        return ""
    return f"{len(broken)} promise{'' if len(broken) == 1 else 's'} broken"


def is_broken(promise: Promise | None) -> bool:
    """Tell whether there is a promise that does not hold."""
    return promise is not None and promise.state is PromiseState.BROKEN
