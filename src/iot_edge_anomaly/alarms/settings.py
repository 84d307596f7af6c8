"""What the alarm stage needs to know of an asset; the pipeline makes it from the configuration."""

from typing import NamedTuple

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


class AlarmSettings(NamedTuple):
    """Settings of the alarm stage for one asset. Silence of 0 seconds is not watched."""

    on_delay_rows: int
    off_delay_rows: int
    limits: tuple[Limit, ...]
    silence_seconds: dict[str, float]
    texts: dict[str, SensorTexts]
    configuration: str

    def text_of(self, sensor: str) -> SensorTexts:
        """Return how a sensor is spoken of; by its own name where nothing was said."""
        return self.texts.get(sensor) or SensorTexts(sensor.replace("_", " "), "")
