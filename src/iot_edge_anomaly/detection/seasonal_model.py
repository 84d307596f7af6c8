"""How rows of a machine that follows the clock are scored: by what is left of them, and by how much that is.

What is usual at the time of a row is taken from it. The rest goes to another detector, which asks whether sensors fit
together and go on as they went. That a whole plant runs at night as it does by day is no question to it; so the rest
itself is weighed as well, against how large it usually is. The louder of both speaks, each with half of the budget.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import DetectorState, Matrix, Scores
from iot_edge_anomaly.detection.averages import AVERAGES, MOVING, SMOOTHING, farthest, shared, smooth
from iot_edge_anomaly.detection.by_state_model import ByStateDetector
from iot_edge_anomaly.detection.linear_model import LinearDetector
from iot_edge_anomaly.detection.season import Season
from iot_edge_anomaly.detection.voice import shares

NAME = "seasonal"
FARTHEST = 20.0
"""One wild reading must not drown all others."""

_MAGIC = b"sea1"

Inner = LinearDetector | ByStateDetector


@dataclass(frozen=True)
class Clockwork:
    """How large the rest usually is, of k sensors: `mean` (k,) and `scale` (k,) in their units.

    `voices` (k,): what each has to say, 0 for one that does not count. `level`: how odd a usual row is. `limits` (3,):
    of the averages.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    voices: NDArray[np.float64]
    level: float
    limits: NDArray[np.float64]

    def oddness(self, rest: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return what each sensor (n, k) adds to how odd a row is, and which of them are there."""
        known = np.isfinite(rest) & (self.voices > 0)
        off = np.minimum(np.abs(np.where(known, rest - self.mean, 0.0)) / self.scale, FARTHEST)
        return shares(off, known, self.voices) / self.level, known

    def usual(self) -> Matrix:
        """Return the averages (5, k) before the first row."""
        heard = self.voices / max(float(self.voices.sum()), 1.0)
        return np.concatenate((np.tile(heard, (len(SMOOTHING), 1)), np.zeros((len(MOVING), len(heard)))))

    def look(self, averages: Matrix, rest: Matrix) -> tuple[Matrix, NDArray[np.float64], Matrix]:
        """Return the averages after rows (n, k), their scores (n,) and what each sensor contributes (n, k)."""
        if not len(rest):
            return averages, np.zeros(0), np.zeros(rest.shape)
        share, known = self.oddness(rest)
        judged: NDArray[np.bool_] = np.any(known, axis=1, keepdims=True)
        averages, trace = smooth(averages, share, np.zeros_like(share), judged)
        score = farthest(trace, self.limits)
        contribution = shared(score, trace, known)
        return averages, contribution.sum(axis=1), contribution


@dataclass(frozen=True)
class SeasonalState:
    """What the detector of the rest remembers, and the averages (5, k) of how large the rest is."""

    inner: DetectorState
    averages: Matrix

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        return _MAGIC + self.averages.astype("<f8").tobytes() + self.inner.to_bytes()


class SeasonalDetector:
    """Scores rows by the clock and by `inner`, which sees what the season leaves of them."""

    def __init__(self, inner: Inner, season: Season, clockwork: Clockwork) -> None:
        self.inner = inner
        self.season = season
        self.clockwork = clockwork

    @property
    def name(self) -> str:
        """The method, as the catalog knows it."""
        return NAME

    @property
    def sensors(self) -> tuple[str, ...]:
        """The columns that `score` expects, in order."""
        return self.inner.sensors

    def start(self) -> SeasonalState:
        """Return the state before the first row."""
        return SeasonalState(self.inner.start(), self.clockwork.usual())

    def restore(self, state: bytes) -> SeasonalState:
        """Read a state. Raises ValueError if it is not of this model's shape."""
        count = len(self.sensors)
        size = len(_MAGIC) + 8 * AVERAGES * count
        if len(state) < size or not state.startswith(_MAGIC):
            raise ValueError("the state is not of this model")
        averages = np.frombuffer(state, "<f8", AVERAGES * count, len(_MAGIC)).astype(np.float64)
        return SeasonalState(self.inner.restore(state[size:]), averages.reshape(AVERAGES, count))

    def score(self, state: DetectorState, rows: Matrix) -> tuple[SeasonalState, Scores]:
        """Score rows whose times nobody knows: the clock says nothing of them."""
        assert isinstance(state, SeasonalState)
        inner, scores = self.inner.score(state.inner, rows)
        return SeasonalState(inner, state.averages), scores

    def score_at(self, state: DetectorState, rows: Matrix, time_ns: NDArray[np.int64]) -> tuple[SeasonalState, Scores]:
        """Score rows of these times; see `component.detector.TakesTime`."""
        assert isinstance(state, SeasonalState)
        usual = self.season.at(time_ns)
        with np.errstate(over="ignore"):
            rest = np.ascontiguousarray(rows, np.float64) - usual
        inner, found = self.inner.score(state.inner, rest)
        averages, by_clock, contribution = self.clockwork.look(state.averages, rest)
        is_louder = (by_clock > found.score)[:, None]
        mean = np.where(np.isfinite(rest), self.clockwork.mean, np.nan)
        return SeasonalState(inner, averages), Scores(
            np.maximum(by_clock, found.score),
            np.where(is_louder, mean, found.expected) + usual,
            np.where(is_louder, contribution, found.contribution),
        )

    def score_windows(self, windows: Matrix) -> Scores:
        """Score windows, whose times nobody knows; see `component.detector.Detector.score_windows`."""
        return self.inner.score_windows(windows)
