"""The origin of a score alarm in the step: asked for in the model's own columns, whatever the asset's are."""

import numpy as np
import pytest
from plant_runs import CONFIGURED, KEY, MODELS, SENSORS, T0, Run, batch, plant

from iot_edge_anomaly.core.messages import Item, ModelActivated
from iot_edge_anomaly.core.outcomes import AlarmEvent, Origin
from iot_edge_anomaly.pipeline.origins import origin_by

OFF = np.array([0.0, 3.0, 0.0])


def items(rows: np.ndarray, sensors: tuple[str, ...]) -> list[Item]:
    order = [SENSORS.index(sensor) for sensor in sensors]
    batches = [batch(row, values[order], sensors=sensors) for row, values in enumerate(rows)]
    return [CONFIGURED, batches[0], ModelActivated(KEY.tenant, KEY.asset, "sha256:m", T0), *batches[1:]]


def score_alarm(run: Run) -> AlarmEvent:
    alarms = [event for outcome in run.outcomes for event in outcome.alarms]
    return next(event for event in alarms if (event.condition, event.event) == ("score", "raise"))


def off_from(row: int) -> np.ndarray:
    rows = plant(60, 1)
    rows[row:] += OFF
    return rows


@pytest.mark.parametrize("sensors", [SENSORS, SENSORS[::-1]])
def test_a_sensor_that_is_off_is_told(sensors: tuple[str, ...]) -> None:
    event = score_alarm(Run(items(off_from(40), sensors)))
    assert event.contributors[0].sensor == "pressure"
    assert event.origin is Origin.SENSOR
    assert "rather a fault of the sensor" in event.reason


def test_cuts_and_reloads_change_nothing_of_it() -> None:
    found = items(off_from(40), SENSORS)
    whole = score_alarm(Run(found))
    for cut in range(38, 48):
        assert score_alarm(Run(found, [cut], reload=True)) == whole


def test_a_sensor_that_the_model_does_not_know_is_not_told_of() -> None:
    row = np.array([10.0, 50.0, 20.0])
    assert origin_by(MODELS["sha256:m"], SENSORS)(row, 1) is Origin.SENSOR
    part = origin_by(MODELS["sha256:part"], SENSORS)
    assert part(row, 2) is Origin.UNTOLD
    assert part(row, 1) is Origin.UNTOLD
    assert origin_by(None, SENSORS)(row, 1) is Origin.UNTOLD
