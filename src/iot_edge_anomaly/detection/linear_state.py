"""What the linear detector carries from row to row: 104 bytes a sensor, 584 of a single one."""

import struct
from dataclasses import dataclass

import numpy as np

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.averages import AVERAGES
from iot_edge_anomaly.detection.holes import Ages, Allowance
from iot_edge_anomaly.detection.voice import Means

_HEADER = struct.Struct("<4sQHHQ?")
_MAGIC = b"lin4"
VIEWS = 2


@dataclass(frozen=True)
class LinearState:
    """`count` rows seen, the last `depth` rows in standard units, the age of each value, the averages a sensor.

    `means`: how far each sensor deviates of late. `allowance`: for filling holes.
    """

    count: int
    tail: Matrix
    ages: Ages
    averages: Matrix
    means: Means
    allowance: Allowance

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        header = _HEADER.pack(_MAGIC, self.count, *self.tail.shape, *self.allowance)
        lines = np.concatenate((self.tail, self.averages, self.means.now, self.means.pending))
        return header + self.ages.astype("<i8").tobytes() + lines.astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, depth: int, sensors: int) -> "LinearState":
        """Read what `to_bytes` wrote. Raises ValueError if it is of another shape."""
        lines = np.cumsum((depth, AVERAGES, VIEWS, VIEWS))
        if len(data) != _HEADER.size + 8 * sensors * (1 + int(lines[-1])):
            raise ValueError("the state is not of this model")
        magic, count, *shape, work, is_granted = _HEADER.unpack_from(data)
        if magic != _MAGIC or shape != [depth, sensors]:
            raise ValueError(f"the state is not of this model: {magic!r} of shape {shape}")
        ages = np.frombuffer(data, "<i8", sensors, _HEADER.size).astype(np.int64)
        figures = np.frombuffer(data, "<f8", offset=_HEADER.size + 8 * sensors).astype(np.float64)
        tail, averages, now, pending = np.split(figures.reshape(-1, sensors), lines[:-1])
        return cls(count, tail, ages, averages, Means.of(now, pending), Allowance(work, is_granted))
