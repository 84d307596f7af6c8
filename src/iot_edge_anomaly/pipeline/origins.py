"""Ask an asset's detector whether a sensor or the machine is at fault: in the asset's columns, which may be others."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.rows import TellOrigin, untold
from iot_edge_anomaly.component.detector import Detector, TellsOrigin
from iot_edge_anomaly.core.outcomes import Origin


def origin_by(detector: Detector | None, sensors: Sequence[str]) -> TellOrigin:
    """Return what tells the origin of a row with these sensors as columns; nothing is worked out before it is asked."""
    return untold if detector is None else partial(_origin, detector, tuple(sensors))


def _origin(detector: Detector, sensors: tuple[str, ...], row: NDArray[np.float64], suspect: int) -> Origin:
    if not isinstance(detector, TellsOrigin) or sensors[suspect] not in detector.sensors:
        return Origin.UNTOLD
    values = dict(zip(sensors, row.tolist(), strict=True))
    known = np.array([values.get(sensor, np.nan) for sensor in detector.sensors])
    return detector.origin(known, detector.sensors.index(sensors[suspect]))
