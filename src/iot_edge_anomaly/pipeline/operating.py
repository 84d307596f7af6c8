"""In which operating state a machine is, and which of its rows are judged: those of a state that has settled.

A state sensor says it by a number, which holds until another is read. A row is judged when the state is known, is one
of those to be judged, and has lasted for a while: what a machine does between two states is no fault. Of a row that is
not judged the detector sees nothing. Pure, and the same for the pipeline, the trainer and a backtest.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.pipeline.shifts import Shifts

NEVER_NS = -(1 << 62)


class StateRule(NamedTuple):
    """Which sensor tells the state, which states are judged (empty: all), and how long a state settles first.

    `shifts`: the calendar that the sensor's number is of, where nobody sends it; None: somebody does.
    """

    sensor: str
    judged: tuple[float, ...] = ()
    settle_ns: int = 0
    shifts: Shifts | None = None

    @property
    def learned_by(self) -> tuple[object, ...]:
        """What a model depends on: with another of these the asset is learned anew."""
        return self.sensor, self.judged, self.shifts


class Operating(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of the state: the last one (NaN: never told), and since when it holds or is awaited.

    `told`: states of which it was said that the model does not know them. `is_missed`: it was said that none is told.
    """

    state: float = float("nan")
    since_ns: int = NEVER_NS
    told: tuple[float, ...] = ()
    is_missed: bool = False


class Seen(NamedTuple):
    """Of n rows: in which state the machine was (NaN: not known), and whether the row is to be judged."""

    state: NDArray[np.float64]
    is_judged: NDArray[np.bool_]

    def of(self, chosen: slice) -> "Seen":
        """Return what was seen of some of the rows."""
        return Seen(self.state[chosen], self.is_judged[chosen])


def follow(
    before: Operating, rule: StateRule, time_ns: NDArray[np.int64], read: NDArray[np.float64]
) -> tuple[Operating, Seen]:
    """Take n rows in time order; `read` (n,): what the state sensor reads, NaN where nothing is known of it.

    >>> rule = StateRule("mode", (1.0,), settle_ns=2)
    >>> after, seen = follow(Operating(), rule, np.arange(6), np.array([0, 1, np.nan, 1, 1, 2.0]))
    >>> seen.is_judged.tolist(), after.state, after.since_ns
    ([False, False, False, True, True, False], 2.0, 5)
    """
    numbers = np.arange(len(read) + 1)
    told = np.concatenate(([before.state], read))
    states = told[np.maximum.accumulate(np.where(np.isfinite(told), numbers, 0))]
    is_change = np.isfinite(states[1:]) & (states[1:] != states[:-1])
    if before.since_ns == NEVER_NS and len(read):
        is_change[0] = True  # from here on it is awaited, if it is not told
    changes = np.maximum.accumulate(np.where(is_change, numbers[1:], 0))
    since_ns = np.concatenate(([before.since_ns], time_ns))[changes]
    state = states[1:]
    is_judged = np.isfinite(state) & (time_ns - since_ns >= rule.settle_ns)
    if rule.judged:
        is_judged &= np.isin(state, rule.judged)
    if len(read):
        before = msgspec.structs.replace(before, state=float(state[-1]), since_ns=int(since_ns[-1]))
    return before, Seen(state, is_judged)


def shown(values: Matrix, column: int | None, seen: Seen, *, takes_state: bool) -> Matrix:
    """Return what a detector is shown of rows (n, k): nothing of those that are not judged.

    `column`: of the state sensor, if it has one. A detector that knows nothing of states is not shown the state.
    """
    rows = np.where(seen.is_judged[:, None], values, np.nan)
    if column is not None:
        rows[:, column] = np.where(seen.is_judged, seen.state, np.nan) if takes_state else np.nan
    return rows
