"""The linear detector as named arrays and back."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.detection.averages import SMOOTHING
from iot_edge_anomaly.detection.linear_model import NEAR_LAGS, LinearDetector, LinearModel
from iot_edge_anomaly.detection.linear_state import VIEWS

_ARRAYS = ("mean", "deviation", "alive", "history", "beside", "precision", "scales", "voices", "limits")


def to_arrays(detector: Detector) -> tuple[Mapping[str, NDArray[np.generic]], Mapping[str, object]]:
    """Return (arrays, parameters) of a linear detector."""
    if not isinstance(detector, LinearDetector):
        raise TypeError(f"{detector.name} is not a linear detector")
    model = detector.model
    parameters = {"sensors": list(model.sensors), "level": model.level}
    return {name: getattr(model, name) for name in _ARRAYS}, parameters


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], parameters: Mapping[str, object]) -> LinearDetector:
    """Read a linear detector back. Raises ValueError when the parts do not fit together."""
    sensors = sensors_of(parameters)
    level = _positive(parameters, "level")
    count = len(sensors)
    places = max(arrays["beside"].size // 2, 1) if "beside" in arrays else 1
    shapes = {
        "mean": (count,),
        "deviation": (count,),
        "alive": (count,),
        "history": (len(NEAR_LAGS) * count + 1, count),
        "beside": (count + 1, count) if count > 1 else (places, 2),
        "precision": (count, count),
        "scales": (VIEWS, count),
        "voices": (count,),
        "limits": (len(SMOOTHING),),
    }
    if set(arrays) != set(shapes):
        raise ValueError(f"a linear detector has the arrays {', '.join(_ARRAYS)}; found {', '.join(sorted(arrays))}")
    floats = {name: _floats(name, arrays[name], shape) for name, shape in shapes.items()}
    if not all((floats[name] > 0).all() for name in ("deviation", "scales", "voices", "limits")):
        raise ValueError("deviations, scales, voices and limits must be above 0")
    alive = floats.pop("alive") != 0
    return LinearDetector(LinearModel(sensors=sensors, alive=alive, level=level, **floats))


def sensors_of(parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the sensors. Raises ValueError."""
    value = parameters.get("sensors")
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError("`sensors` must be a list of names")
    return tuple(value)


def _positive(parameters: Mapping[str, object], name: str) -> float:
    value = parameters.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise ValueError(f"`{name}` must be a number above 0, not {value!r}")
    return float(value)


def _floats(name: str, array: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if array.shape != shape or array.dtype.kind not in "fb":
        raise ValueError(f"array {name} is {array.dtype} of shape {array.shape}, not float64 of {shape}")
    values = np.ascontiguousarray(array, np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"array {name} holds a value that is not a finite number")
    return values
