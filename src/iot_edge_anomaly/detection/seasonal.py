"""Learn a machine that follows the clock: the detector *seasonal*."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector, DetectorSpec, Fit, Matrix
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.local_time import zone_of
from iot_edge_anomaly.detection import by_state, linear
from iot_edge_anomaly.detection.averages import SMOOTHING, limits_for_budget
from iot_edge_anomaly.detection.by_state_model import ByStateDetector
from iot_edge_anomaly.detection.linear_model import LinearDetector
from iot_edge_anomaly.detection.season import CYCLES, DAY, WEEK, Season, SeasonRule
from iot_edge_anomaly.detection.seasonal_model import NAME, Clockwork, SeasonalDetector
from iot_edge_anomaly.detection.voice import voices

_INNER = {spec.name: spec for spec in (linear.SPEC, by_state.SPEC)}
_OWN = ("daily", "weekly", "mean", "scale", "voices", "limits")
_PREFIX = "season_"

HALF = 0.5
"""Of the budget: a row may be odd in two ways."""


def fit(
    rows: Matrix,
    sensors: tuple[str, ...],
    *,
    rows_per_week: float,
    false_alarms_per_week: float,
    starts: NDArray[np.bool_] | None = None,
    season: Season | None = None,
    inner: Fit = linear.fit,
    state_sensor: str = "",
) -> SeasonalDetector:
    """Learn from what a season leaves of rows (`detection.season.learn_season`); see `component.detector.Fit`.

    `season` None: one that is the same at all times. `inner`: how what is left is learned.
    """
    rows = np.ascontiguousarray(rows, np.float64)
    share = HALF * false_alarms_per_week
    found = inner(rows, sensors, rows_per_week=rows_per_week, false_alarms_per_week=share, starts=starts)
    if not isinstance(found, LinearDetector | ByStateDetector):
        raise ConfigError(f"the method {found.name} learns no seasons")
    measured = np.array([sensor != state_sensor for sensor in sensors])
    clockwork = _clockwork(rows, measured, rows_per_week=rows_per_week, false_alarms_per_week=share)
    return SeasonalDetector(found, season or Season.flat(len(sensors)), clockwork)


def _clockwork(
    rest: Matrix, measured: NDArray[np.bool_], *, rows_per_week: float, false_alarms_per_week: float
) -> Clockwork:
    known = np.isfinite(rest) & measured
    heard = np.where(known.any(axis=0), voices(rest, known), 0.0)
    mean, scale = linear.moments(rest, known)
    unscaled = Clockwork(mean, scale, heard, 1.0, np.ones(len(SMOOTHING)))
    oddness = unscaled.oddness(rest)[0].sum(axis=1)[known.any(axis=1)]
    level = float(oddness.mean()) if len(oddness) else 1.0
    limits = limits_for_budget(
        oddness / (level or 1.0), rows_per_week=rows_per_week, false_alarms_per_week=false_alarms_per_week
    )
    return Clockwork(mean, scale, heard, level or 1.0, limits)


def to_arrays(detector: Detector) -> tuple[Mapping[str, NDArray[np.generic]], Mapping[str, object]]:
    """Return (arrays, parameters): those of the detector of the rest, and the season's."""
    if not isinstance(detector, SeasonalDetector):
        raise TypeError(f"{detector.name} is not a seasonal detector")
    arrays, parameters = _INNER[detector.inner.name].to_arrays(detector.inner)
    season, clockwork = detector.season, detector.clockwork
    own = {
        "daily": season.daily,
        "weekly": season.weekly,
        "mean": clockwork.mean,
        "scale": clockwork.scale,
        "voices": clockwork.voices,
        "limits": clockwork.limits,
    }
    return {**arrays, **{_PREFIX + name: array for name, array in own.items()}}, {
        "inner": detector.inner.name,
        "inner_parameters": dict(parameters),
        "season": season.rule.length,
        "time_zone": season.rule.zone,
        "season_level": clockwork.level,
    }


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], parameters: Mapping[str, object]) -> SeasonalDetector:
    """Read a detector back. Raises ValueError when the parts do not fit together."""
    name, inner_parameters = parameters.get("inner"), parameters.get("inner_parameters")
    if name not in _INNER or not isinstance(inner_parameters, dict):
        raise ValueError(f"`inner` must be one of {', '.join(_INNER)}, with its parameters; it is {name!r}")
    rest = {key: array for key, array in arrays.items() if not key.startswith(_PREFIX)}
    inner = _INNER[str(name)].from_arrays(rest, inner_parameters)
    assert isinstance(inner, LinearDetector | ByStateDetector)
    rule, count = _rule(parameters), len(inner.sensors)
    shapes = {
        "daily": (CYCLES[DAY].bins, 2, count),
        "weekly": (CYCLES[WEEK].bins if rule.length == WEEK else 0, 2, count),
        "mean": (count,),
        "scale": (count,),
        "voices": (count,),
        "limits": (len(SMOOTHING),),
    }
    own = {name: _floats(name, arrays.get(_PREFIX + name), shapes[name]) for name in _OWN}
    level = parameters.get("season_level")
    if not isinstance(level, float) or not 0 < level < np.inf:
        raise ValueError(f"`season_level` must be a number above 0, not {level!r}")
    if not (own["scale"] > 0).all() or not (own["limits"] > 0).all() or not (own["voices"] >= 0).all():
        raise ValueError("scales and limits of a season must be above 0, and no voice below it")
    clockwork = Clockwork(own["mean"], own["scale"], own["voices"], level, own["limits"])
    return SeasonalDetector(inner, Season(rule, own["daily"], own["weekly"]), clockwork)


def _rule(parameters: Mapping[str, object]) -> SeasonRule:
    length, zone = parameters.get("season"), parameters.get("time_zone")
    if length not in CYCLES or not isinstance(zone, str):
        raise ValueError(f"`season` must be one of {', '.join(CYCLES)}, in a time zone; it is {length!r}")
    try:
        zone_of(zone)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return SeasonRule(str(length), zone)


def _floats(name: str, array: NDArray[np.generic] | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    if array is None or array.shape != shape or array.dtype.kind != "f":
        found = "missing" if array is None else f"{array.dtype} of shape {array.shape}"
        raise ValueError(f"array {_PREFIX}{name} is {found}, not float64 of {shape}")
    values = np.ascontiguousarray(array, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"array {_PREFIX}{name} holds a value that is not a finite number")
    return values


SPEC = DetectorSpec(NAME, fit, to_arrays, from_arrays)
