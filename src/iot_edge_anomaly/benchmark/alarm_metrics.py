"""How good alarms are: F1 by rows, false alarms by episodes, delay by events. Nothing is point-adjusted.

An episode is an unbroken run of alarm rows, and is judged by its first: it is false where that is not labelled. So a
detector that is always in alarm has raised one false alarm, and has found nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.benchmark.metrics import labelled_stretches

Flags = NDArray[np.bool_]


class AlarmFigures(NamedTuple):
    """What the alarms on one series were worth. `f1` is None where no row is labelled."""

    f1: float | None
    false_alarms: int
    quiet_rows: int
    """Rows without a label: the time in which false alarms were counted."""
    events: int
    delays_rows: tuple[int, ...]
    """Rows from the start of each event that was found to its first alarm."""


def judge(labels: Flags, alarms: Flags) -> AlarmFigures:
    """Compare alarm rows with labelled rows.

    >>> judge(np.array([0, 0, 1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 1, 1, 0], bool))
    AlarmFigures(f1=0.5714285714285714, false_alarms=1, quiet_rows=4, events=1, delays_rows=(1,))
    """
    events = labelled_stretches(labels)
    starts = alarms & ~np.concatenate(([False], alarms[:-1]))
    false = starts & ~labels
    raised_in_event = np.concatenate(([False], ~false[starts]))[np.cumsum(starts)]
    found = np.flatnonzero(alarms & raised_in_event)
    delays = tuple(_delay(found, begin, end) for begin, end in events)
    return AlarmFigures(
        f1(labels, alarms) if events else None,
        int(false.sum()),
        int((~labels).sum()),
        len(events),
        tuple(delay for delay in delays if delay is not None),
    )


def f1(labels: Flags, alarms: Flags) -> float:
    """Return the harmonic mean of precision and recall of rows; 0 where nothing was hit."""
    hits = int((labels & alarms).sum())
    return 2 * hits / max(int(labels.sum() + alarms.sum()), 1)


def budget_threshold(training: NDArray[np.float64], rows_per_week: float, false_alarms_per_week: float) -> float:
    """Return the quantile of the training scores that so many rows a week pass; the highest if the rows are fewer."""
    if len(training) == 0:
        return float("inf")
    return float(np.quantile(training, max(1.0 - false_alarms_per_week / rows_per_week, 0.0)))


def _delay(found: NDArray[np.intp], begin: int, end: int) -> int | None:
    place = int(np.searchsorted(found, begin))
    return int(found[place]) - begin if place < len(found) and found[place] <= end else None
