"""Windows that are scored side by side come out as each does alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.detection.catalog import DETECTORS

SENSORS = ("a", "b", "c")


def fitted(name: str, sensors: int) -> Detector:
    rows = np.random.default_rng(3).normal(20, 1, size=(300, sensors))
    return DETECTORS[name].fit(rows, SENSORS[:sensors], rows_per_week=604_800, false_alarms_per_week=1)


DETECTORS_TO_TRY = [fitted(name, sensors) for name in DETECTORS for sensors in (1, 3)]
VALUES = st.floats(-1e6, 1e6) | st.just(float("nan")) | st.floats(19, 21)


@pytest.mark.parametrize("detector", DETECTORS_TO_TRY, ids=lambda detector: f"{detector.name}-{len(detector.sensors)}")
@given(data=st.data(), rows=st.integers(1, 40), windows=st.integers(1, 5), whole=st.booleans())
def test_side_by_side_is_as_alone(
    detector: Detector, data: st.DataObject, rows: int, windows: int, whole: bool
) -> None:
    shape = (rows, windows, len(detector.sensors))
    given = data.draw(arrays(np.float64, shape, elements=st.floats(-1e3, 1e3) if whole else VALUES))
    together = detector.score_windows(given.copy())
    for number in range(windows):
        _, alone = detector.score(detector.start(), given[:, number].copy())
        for part, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(part[:, number], expected)
