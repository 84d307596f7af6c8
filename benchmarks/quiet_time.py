"""Time in which nothing is known to be wrong, and the alarms that begin in it. Pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import AlarmBook
from iot_edge_anomaly.alarms.rows import ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings, SensorTexts
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import DEFAULTS
from iot_edge_anomaly.views.budget import ENOUGH
from iot_edge_anomaly.views.poisson import poisson_interval

Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

_KEY = AssetKey("bench", "asset")
_STAGE = AlarmSettings(
    DEFAULTS.on_delay_rows or 1, DEFAULTS.off_delay_rows or 1, (), {}, {"score": SensorTexts("score", "")}, ""
)


def quiet_rows(labels: Flags, grace_rows: int) -> Flags:
    """Return the rows (n,) that are not labelled, nor among the first `grace_rows` after a labelled row.

    >>> quiet_rows(np.array([0, 1, 0, 0, 0], bool), 2).tolist()
    [True, False, False, False, True]
    """
    numbers = np.arange(len(labels))
    last = np.maximum.accumulate(np.where(labels, numbers, -grace_rows - 1))
    return np.asarray(numbers - last > grace_rows)


def run_starts(alarms: Flags) -> Rows:
    """Return the number of the first row of each unbroken run of alarm rows.

    >>> run_starts(np.array([1, 1, 0, 1], bool)).tolist()
    [0, 3]
    """
    return np.flatnonzero(alarms & ~np.concatenate(([False], alarms[:-1])))


class Staged(NamedTuple):
    """What the alarm stage makes of scores: the rows at which an alarm is raised, and whether one stands (n,)."""

    starts: Rows
    stands: Flags


def staged(score: NDArray[np.float64], interval_seconds: float) -> Staged:
    """Run scores (n,), which alarm above 1, through the alarm stage that ships.

    What comes again within a minute counts as often as it comes, whether anybody has seen it or not.
    """
    column = score[:, None]
    times = (np.arange(len(score)) * (interval_seconds * 1e9)).astype(np.int64)
    rows = ScoredRows(("score",), times, column, score, column, column, column, None, True, "")
    events = on_rows(AlarmBook(), _KEY, rows, _STAGE)
    starts, ends = (
        np.searchsorted(times, np.array([event.time_ns for event in events if event.event in names], np.int64))
        for names in (("raise", "re-raise"), ("return",))
    )
    steps = np.zeros(len(score) + 1, np.intp)
    steps[starts] += 1
    steps[ends] -= 1
    return Staged(starts, np.cumsum(steps[:-1]) > 0)


def begun_in(starts: Rows, quiet: Flags) -> int:
    """Return how many alarms begin on a quiet row.

    >>> begun_in(np.array([0, 3]), np.array([True, True, True, False]))
    1
    """
    return int(quiet[starts].sum())


def is_kept(count: int, expected: float) -> bool | None:
    """Return whether a count does not speak against what was expected (Poisson, 95 %); None: too few are expected.

    >>> [is_kept(count, 10.0) for count in (3, 4, 17, 18)], is_kept(0, 2.9)
    ([False, True, True, False], None)
    """
    if expected < ENOUGH:
        return None
    low, high = poisson_interval(count)
    return bool(low <= expected <= high)
