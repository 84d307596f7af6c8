"""What the linear detector carries from row to row: at most 88 bytes a sensor."""

import struct
from dataclasses import dataclass

import numpy as np

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.holes import Ages, Allowance

_HEADER = struct.Struct("<4sQHHHQ?")
_MAGIC = b"lin2"


@dataclass(frozen=True)
class LinearState:
    """`count` rows seen, the last `depth` rows in standard units, the age of each value, the averages a sensor.

    `allowance`: for filling holes.
    """

    count: int
    tail: Matrix
    ages: Ages
    averages: Matrix
    allowance: Allowance

    def to_bytes(self) -> bytes:
        """Serialise; the same state always gives the same bytes."""
        header = _HEADER.pack(_MAGIC, self.count, *self.tail.shape, len(self.averages), *self.allowance)
        parts = (self.tail.astype("<f8"), self.ages.astype("<i8"), self.averages.astype("<f8"))
        return header + b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes, depth: int, sensors: int, averages: int) -> "LinearState":
        """Read what `to_bytes` wrote. Raises ValueError if it is of another shape."""
        if len(data) != _HEADER.size + 8 * sensors * (depth + 1 + averages):
            raise ValueError("the state is not of this model")
        magic, count, *shape, work, is_granted = _HEADER.unpack_from(data)
        if magic != _MAGIC or shape != [depth, sensors, averages]:
            raise ValueError(f"the state is not of this model: {magic!r} of shape {shape}")
        tail, ages, rest = np.split(
            np.frombuffer(data, "<f8", offset=_HEADER.size), [depth * sensors, (depth + 1) * sensors]
        )
        return cls(
            count,
            tail.astype(np.float64).reshape(depth, sensors),
            ages.view("<i8").astype(np.int64),
            rest.astype(np.float64).reshape(averages, sensors),
            Allowance(work, is_granted),
        )
