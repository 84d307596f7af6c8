"""Windows that wait for the same model at the same time are scored in one call.

Nobody waits for company: what arrived in one turn of the event loop is scored at the end of it. So a window alone is
answered at once, and under load a call has many windows, which cost little more than one.
"""

import asyncio
from typing import NamedTuple

import numpy as np

from iot_edge_anomaly.component.detector import Detector, Matrix

MOST_VALUES = 1 << 16
"""So many values are scored in one call, or one window that is larger: callers of other routes wait meanwhile."""


class RowScore(NamedTuple):
    """What a detector says of the last row of a window; see `component.detector.Scores`."""

    score: float
    expected: list[float]
    contribution: list[float]


class _Waiting(NamedTuple):
    window: Matrix
    scored: "asyncio.Future[RowScore]"


_Kind = tuple[Detector, int]
"""A model, and how many rows a window has: what can be scored in one call."""


class Scoring:
    """Scores windows from the start on, those of one turn of the loop together."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[_Kind, list[_Waiting]] = {}

    async def last_row(self, detector: Detector, window: Matrix) -> RowScore:
        """Score the last row of a window (n, k)."""
        kind = (detector, len(window))
        waiting = self._waiting.get(kind)
        if waiting is None:
            waiting = self._waiting[kind] = []
            self._loop.call_soon(self._score_all, kind)
        scored: asyncio.Future[RowScore] = self._loop.create_future()
        waiting.append(_Waiting(window, scored))
        return await scored

    def _score_all(self, kind: "_Kind") -> None:
        detector, rows = kind
        waiting = self._waiting.pop(kind)
        at_once = max(MOST_VALUES // (rows * len(detector.sensors)), 1)
        try:
            for start in range(0, len(waiting), at_once):
                _score(detector, waiting[start : start + at_once])
        finally:  # a fault goes to the log; nobody waits for ever
            for one in waiting:
                if not one.scored.done():
                    one.scored.set_exception(RuntimeError("this window could not be scored"))


def _score(detector: Detector, waiting: list[_Waiting]) -> None:
    scores = detector.score_windows(np.stack([one.window for one in waiting], axis=1))
    columns = (scores.score[-1].tolist(), scores.expected[-1].tolist(), scores.contribution[-1].tolist())
    for one, *found in zip(waiting, *columns, strict=True):
        if not one.scored.done():
            one.scored.set_result(RowScore(*found))
