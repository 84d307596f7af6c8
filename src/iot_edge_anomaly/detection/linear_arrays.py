"""The linear detector as named arrays and back."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.detection.linear_model import FAR_LAGS, NEAR_LAGS, LinearDetector, LinearModel

_ARRAYS = ("mean", "deviation", "alive", "history", "cross", "precision", "scales")


def to_arrays(detector: Detector) -> tuple[Mapping[str, NDArray[np.generic]], Mapping[str, object]]:
    """Return (arrays, parameters) of a linear detector."""
    if not isinstance(detector, LinearDetector):
        raise TypeError(f"{detector.name} is not a linear detector")
    model = detector.model
    parameters = {"sensors": list(model.sensors), "level": model.level, "threshold": model.threshold}
    return {name: getattr(model, name) for name in _ARRAYS}, parameters


def from_arrays(arrays: Mapping[str, NDArray[np.generic]], parameters: Mapping[str, object]) -> LinearDetector:
    """Read a linear detector back. Raises ValueError when the parts do not fit together."""
    sensors = _sensors(parameters.get("sensors"))
    level, threshold = (_positive(parameters, name) for name in ("level", "threshold"))
    count = len(sensors)
    cross_rows = 1 + (count if count > 1 else len(FAR_LAGS))
    shapes = {
        "mean": (count,),
        "deviation": (count,),
        "alive": (count,),
        "history": (len(NEAR_LAGS) * count + 1, count),
        "cross": (cross_rows, count),
        "precision": (count, count),
        "scales": (2, count),
    }
    if set(arrays) != set(shapes):
        raise ValueError(f"a linear detector has the arrays {', '.join(_ARRAYS)}; found {', '.join(sorted(arrays))}")
    floats = {name: _floats(name, arrays[name], shape) for name, shape in shapes.items()}
    if not ((floats["deviation"] > 0).all() and (floats["scales"] > 0).all()):
        raise ValueError("deviations and scales must be above 0")
    alive = floats.pop("alive") != 0
    return LinearDetector(LinearModel(sensors=sensors, alive=alive, level=level, threshold=threshold, **floats))


def _sensors(value: object) -> tuple[str, ...]:
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
