"""What the alarm stage needs to know of an asset; the pipeline makes it from the configuration."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.core.outcomes import Priority


class Limit(NamedTuple):
    """A static limit of one sensor, in its unit. `kind` is HH, H, L or LL."""

    sensor: str
    kind: str
    value: float
    deadband: float

    @property
    def condition(self) -> str:
        """The name of the alarm condition."""
        return f"limit:{self.sensor}:{self.kind}"

    @property
    def outer_condition(self) -> str:
        """The condition that says the same more gravely: HH for H, LL for L; of the outer limits themselves none."""
        return "" if len(self.kind) == 2 else f"limit:{self.sensor}:{self.kind * 2}"

    @property
    def is_upper(self) -> bool:
        """Whether too high is wrong."""
        return self.kind.startswith("H")

    @property
    def priority(self) -> Priority:
        """The outer limits are urgent."""
        return Priority.HIGH if len(self.kind) == 2 else Priority.MEDIUM


class SensorTexts(NamedTuple):
    """How a sensor is spoken of."""

    title: str
    unit: str


class LimitColumns(NamedTuple):
    """All m limits of an asset as columns, so that rows are compared with all of them at once."""

    limits: tuple[Limit, ...]
    conditions: tuple[str, ...]
    sensor: NDArray[np.int64]
    sign: NDArray[np.float64]
    value: NDArray[np.float64]
    deadband: NDArray[np.float64]

    def excess(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much n rows of k sensors are beyond each limit, n by m; negative: inside."""
        return self.sign * (values[:, self.sensor] - self.value)


@dataclass(frozen=True)
class AlarmSettings:
    """Settings of the alarm stage for one asset. Silence of 0 seconds is not watched.

    `texts` has every sensor of the asset, in the order of its columns.
    """

    on_delay_rows: int
    off_delay_rows: int
    limits: tuple[Limit, ...]
    silence_seconds: dict[str, float]
    texts: dict[str, SensorTexts]
    configuration: str

    def text_of(self, sensor: str) -> SensorTexts:
        """Return how a sensor is spoken of; by its own name where nothing was said."""
        return self.texts.get(sensor) or SensorTexts(sensor.replace("_", " "), "")

    @cached_property
    def limit_columns(self) -> LimitColumns:
        """The limits as columns, the outer ones first."""
        number = {sensor: column for column, sensor in enumerate(self.texts)}
        limits = sorted((limit for limit in self.limits if limit.sensor in number), key=lambda limit: -len(limit.kind))
        return LimitColumns(
            tuple(limits),
            tuple(limit.condition for limit in limits),
            np.array([number[limit.sensor] for limit in limits], np.int64),
            np.array([1.0 if limit.is_upper else -1.0 for limit in limits]),
            np.array([limit.value for limit in limits]),
            np.array([limit.deadband for limit in limits]),
        )
