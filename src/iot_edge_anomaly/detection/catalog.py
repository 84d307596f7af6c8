"""The detectors there are. A line here makes one exist."""

from iot_edge_anomaly.component.detector import DetectorSpec
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.detection import by_state, coldstart, linear, seasonal

DETECTORS: dict[str, DetectorSpec] = {
    spec.name: spec
    for spec in (
        linear.SPEC,
        by_state.SPEC,
        seasonal.SPEC,
        coldstart.SPEC,
    )
}


def detector_spec(name: str) -> DetectorSpec:
    """Return the detector of this name. Raises ConfigError with the names there are."""
    if name not in DETECTORS:
        raise ConfigError(f"there is no detector {name!r}; there are: {', '.join(DETECTORS)}")
    return DETECTORS[name]
