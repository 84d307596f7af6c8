"""What a detector knows besides scoring, however deep inside: of which states, of which season."""

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.detection.by_state_model import ByStateDetector
from iot_edge_anomaly.detection.season import SeasonRule
from iot_edge_anomaly.detection.seasonal_model import SeasonalDetector
from iot_edge_anomaly.detection.watched import WatchedDetector


def knows_states(detector: Detector | None) -> ByStateDetector | None:
    """Return what has a baseline for each state, if a sensor tells it the state; else None."""
    inner = _unwatched(detector)
    inner = inner.inner if isinstance(inner, SeasonalDetector) else inner
    return inner if isinstance(inner, ByStateDetector) and inner.declared.sensor else None


def season_of(detector: Detector | None) -> SeasonRule | None:
    """Return the season that was learned; None: none."""
    inner = _unwatched(detector)
    return inner.season.rule if isinstance(inner, SeasonalDetector) else None


def season_length(detector: Detector | None) -> str:
    """Return `day` or `week`, if a season was learned; else nothing."""
    rule = season_of(detector)
    return rule.length if rule else ""


def _unwatched(detector: Detector | None) -> Detector | None:
    return detector.detector if isinstance(detector, WatchedDetector) else detector
