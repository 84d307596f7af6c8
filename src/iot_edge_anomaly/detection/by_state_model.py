"""How rows of several operating states are scored: each by the detector of its state.

One of the sensors says the state by a number. A row is judged by what was learned of its state and moves the averages
of that state only. A row whose state is not told, or was not learned, is not judged: its score is 0. When a state
comes back its detector goes on with what it remembers, but no row is compared with rows from before the break.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from iot_edge_anomaly.component.detector import DetectorState, Matrix, Scores
from iot_edge_anomaly.core.local_time import UTC
from iot_edge_anomaly.detection.linear_model import LinearDetector
from iot_edge_anomaly.detection.linear_state import LinearState

NAME = "by-state"
NOT_LEARNED = -1
_HEADER = struct.Struct("<4sHh")
_MAGIC = b"bys1"


class States(NamedTuple):
    """Which sensor says the state (empty: none, all rows are of one), and for how long after a change none was learned.

    A sensor that says the state is not scored. `shifts`, by the clocks of `zone`: the calendar that its number is of,
    where nobody sends it.
    """

    sensor: str = ""
    settle_seconds: float = 0.0
    shifts: tuple[str, ...] = ()
    zone: str = UTC


UNTOLD = States()


@dataclass(frozen=True)
class ByStateState:
    """What is remembered of each state, and which the last row was of (its number, NOT_LEARNED: of none of them)."""

    current: int
    inner: tuple[LinearState, ...]

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        return _HEADER.pack(_MAGIC, len(self.inner), self.current) + b"".join(one.to_bytes() for one in self.inner)


class ByStateDetector:
    """Scores each row with the detector of its state; `learned` has one for each state, in the order of states."""

    def __init__(self, sensors: tuple[str, ...], states: States, learned: Mapping[float, LinearDetector]) -> None:
        self._sensors = sensors
        self.declared = states
        self.learned = dict(learned)
        self._detectors = tuple(self.learned.values())
        self._numbers = {state: number for number, state in enumerate(self.learned)}
        self._column = sensors.index(states.sensor) if states.sensor else None
        self._measured = [number for number in range(len(sensors)) if number != self._column]

    @property
    def name(self) -> str:
        """The method, as the catalog knows it."""
        return NAME

    @property
    def sensors(self) -> tuple[str, ...]:
        """The columns that `score` expects, in order; the state sensor is one of them."""
        return self._sensors

    def start(self) -> ByStateState:
        """Return the state before the first row."""
        return ByStateState(NOT_LEARNED, tuple(detector.start() for detector in self._detectors))

    def restore(self, state: bytes) -> ByStateState:
        """Read a state. Raises ValueError if it is not of this model's shape."""
        count = len(self._detectors)
        size, rest = divmod(len(state) - _HEADER.size, count)
        if size <= 0 or rest:
            raise ValueError("the state is not of this model")
        magic, stored, current = _HEADER.unpack_from(state)
        if magic != _MAGIC or stored != count or not NOT_LEARNED <= current < count:
            raise ValueError(f"the state is not of this model: {magic!r}, {stored} states")
        parts = (state[begin : begin + size] for begin in range(_HEADER.size, len(state), size))
        inner = (detector.restore(part) for detector, part in zip(self._detectors, parts, strict=True))
        return ByStateState(current, tuple(inner))

    def score(self, state: DetectorState, rows: Matrix) -> tuple[ByStateState, Scores]:
        """Score rows in time order; see `component.detector.Detector.score`."""
        assert isinstance(state, ByStateState)
        scores = Scores(np.zeros(len(rows)), np.full(rows.shape, np.nan), np.zeros(rows.shape))
        current, inner = state.current, list(state.inner)
        for number, run in self._runs(rows):
            if number != NOT_LEARNED:
                detector = self._detectors[number]
                before = inner[number] if number == current else detector.resume(inner[number])
                inner[number], found = detector.score(before, rows[run][:, self._measured])
                scores.score[run] = found.score
                scores.expected[run, self._measured] = found.expected
                scores.contribution[run, self._measured] = found.contribution
            current = number
        return ByStateState(current, tuple(inner)), scores

    def score_windows(self, windows: Matrix) -> Scores:
        """Score windows; see `component.detector.Detector.score_windows`. With a state sensor they cost a call each."""
        if self._column is None:
            return self._detectors[0].score_windows(windows)
        each = [self.score(self.start(), windows[:, window])[1] for window in range(windows.shape[1])]
        return Scores(*(np.stack(parts, axis=1) for parts in zip(*each, strict=True)))

    def _runs(self, rows: Matrix) -> Iterator[tuple[int, slice]]:
        """Yield the number of each state, and the rows during which it lasts."""
        if self._column is None:
            yield 0, slice(0, len(rows))
            return
        number = np.array([self._numbers.get(state, NOT_LEARNED) for state in rows[:, self._column].tolist()], np.int64)
        edges = np.flatnonzero(np.diff(number)) + 1
        for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(rows)], strict=True):
            if begin < end:
                yield int(number[begin]), slice(begin, end)
