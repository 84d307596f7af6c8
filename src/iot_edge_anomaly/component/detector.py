"""What the pipeline expects of a detector, and the trainer of a method that fits one."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.outcomes import Origin

Matrix = NDArray[np.float64]
"""n rows by k sensors, NaN where a value is missing."""


class Scores(NamedTuple):
    """What a detector says of n rows of k sensors.

    `score` (n,): above 1 is an alarm, never NaN, 0 for a row with nothing to score. `expected` (n, k): predicted
    values in the sensors' own units, NaN where not predicted. `contribution` (n, k): non-negative, a row sums to its
    score (all zero where nothing was scored).
    """

    score: NDArray[np.float64]
    expected: Matrix
    contribution: Matrix


class DetectorState(Protocol):
    """What a detector carries from row to row of one asset: lags and averages, at most 4 KB a sensor."""

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        ...


class Detector(Protocol):
    """A fitted model: pure, immutable, shared by all callers; what changes is in the state."""

    @property
    def name(self) -> str:
        """The method, as the catalog knows it."""
        ...

    @property
    def sensors(self) -> tuple[str, ...]:
        """The columns that `score` expects, in order."""
        ...

    def start(self) -> DetectorState:
        """Return the state before the first row."""
        ...

    def restore(self, state: bytes) -> DetectorState:
        """Read a state that `to_bytes` wrote. Raises ValueError if it is of another model or version."""
        ...

    def score(self, state: DetectorState, rows: Matrix) -> tuple[DetectorState, Scores]:
        """Score rows in time order.

        Causal, and independent of how rows are cut into calls, to the bit. A NaN is a missing value; a sensor that
        is missing for long is marginalised. The state given is consumed: go on with the one returned.
        """
        ...

    def score_windows(self, windows: Matrix) -> Scores:
        """Score the rows (n, w, k) of w windows that stand side by side, each window from the start on.

        The scores have the shapes (n, w) and (n, w, k), each what `score` would say of that window alone. Many at once
        cost little more than one.
        """
        ...


@runtime_checkable
class TellsOrigin(Protocol):
    """What a detector may do besides: tell a fault of a sensor from one of the machine."""

    def origin(self, row: NDArray[np.float64], suspect: int) -> Origin:
        """Say which of both is likelier at one odd row (k,), NaN where a value is missing, if a sensor is suspected.

        Asked for when an alarm is raised, so it may cost what scoring may not. By this row and the model alone, so that
        the answer does not depend on how rows are cut into calls. `UNTOLD` where the sensors do not tell.
        """
        ...


@runtime_checkable
class TakesTime(Protocol):
    """What a detector may need besides: when rows were, because what is usual depends on the clock."""

    def score_at(self, state: DetectorState, rows: Matrix, time_ns: NDArray[np.int64]) -> tuple[DetectorState, Scores]:
        """Score rows as `score` does; `time_ns` (n,): when each was, UTC.

        `score` of such a detector, which knows no time, compares rows with what is usual over all times.
        """
        ...


def score_rows(
    detector: Detector, state: DetectorState, rows: Matrix, time_ns: NDArray[np.int64]
) -> tuple[DetectorState, Scores]:
    """Score rows (n, k) in time order, which were at these times (n,); see `Detector.score`."""
    if isinstance(detector, TakesTime):
        return detector.score_at(state, rows, time_ns)
    return detector.score(state, rows)


class Fit(Protocol):
    """Learn a detector from rows of one asset in time order."""

    def __call__(
        self,
        rows: Matrix,
        sensors: tuple[str, ...],
        *,
        rows_per_week: float,
        false_alarms_per_week: float,
        starts: NDArray[np.bool_] | None = None,
    ) -> Detector:
        """Fit. `starts` marks rows before which there is a gap: no lag may reach across.

        Raises ValueError with a plain reason when these rows cannot be learned from. Deterministic.
        """
        ...


class DetectorSpec(NamedTuple):
    """A method's line in the catalog: its name, how to fit it, how to pack it into and out of arrays (no pickle)."""

    name: str
    fit: Fit
    to_arrays: "ToArrays"
    from_arrays: "FromArrays"


class ToArrays(Protocol):
    """Write a detector as named arrays and a JSON-able manifest part."""

    def __call__(self, detector: Detector) -> tuple[Mapping[str, NDArray[np.generic]], Mapping[str, object]]:
        """Return (arrays, parameters)."""
        ...


class FromArrays(Protocol):
    """Read a detector back. Raises ValueError when the arrays do not fit together."""

    def __call__(self, arrays: Mapping[str, NDArray[np.generic]], parameters: Mapping[str, object]) -> Detector:
        """Return the detector that `to_arrays` was given."""
        ...
