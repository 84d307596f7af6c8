"""A detector together with what is usual in what it learned from: any method, watched for drift alike."""

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, DetectorState, Matrix, Scores, TellsOrigin, score_rows
from iot_edge_anomaly.core.outcomes import Origin
from iot_edge_anomaly.detection.drift import Yardstick
from iot_edge_anomaly.detection.usual import Usual


class WatchedDetector:
    """Scores as `detector` does; `usual` has a column for each of its sensors."""

    def __init__(self, detector: Detector, usual: Usual) -> None:
        self.detector = detector
        self.usual = usual
        self.yardstick = Yardstick(usual)

    @property
    def name(self) -> str:
        """The method, as the catalog knows it."""
        return self.detector.name

    @property
    def sensors(self) -> tuple[str, ...]:
        """The columns that `score` expects, in order."""
        return self.detector.sensors

    def start(self) -> DetectorState:
        """Return the state before the first row."""
        return self.detector.start()

    def restore(self, state: bytes) -> DetectorState:
        """Read a state that `to_bytes` wrote. Raises ValueError if it is of another model or version."""
        return self.detector.restore(state)

    def score(self, state: DetectorState, rows: Matrix) -> tuple[DetectorState, Scores]:
        """Score rows in time order; see `component.detector.Detector.score`."""
        return self.detector.score(state, rows)

    def score_at(self, state: DetectorState, rows: Matrix, time_ns: NDArray[np.int64]) -> tuple[DetectorState, Scores]:
        """Score rows of these times, where the method asks for them; see `component.detector.TakesTime`."""
        return score_rows(self.detector, state, rows, time_ns)

    def score_windows(self, windows: Matrix) -> Scores:
        """Score windows; see `component.detector.Detector.score_windows`."""
        return self.detector.score_windows(windows)

    def origin(self, row: NDArray[np.float64], suspect: int) -> Origin:
        """Tell a fault of a sensor from one of the machine, where the method can; see `detector.TellsOrigin`."""
        return self.detector.origin(row, suspect) if isinstance(self.detector, TellsOrigin) else Origin.UNTOLD
