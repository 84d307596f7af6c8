"""The detector that ships, fitted on 250 early rows: quiet on a whole plant, right about each fault."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from iot_edge_anomaly.demo.faults import FaultKind
from iot_edge_anomaly.demo.plant import PlantState, read
from iot_edge_anomaly.demo.sensors import SENSORS
from iot_edge_anomaly.detection.linear import fit

LEARNED = 250
ROWS = 2700
SETTLED = 120
"""Rows after a fault's end by which the averages and the bearing are back."""

RUNS = ((7, 0), (7, 25), (7, 50), (7, 90), (1, 0))
"""Seed of the plant, and the row at which learning starts: before the first fault comes."""


class Scored(NamedTuple):
    score: NDArray[np.float64]
    top: list[str]
    own: list[FaultKind | None]


def scored(asset: str, seed: int, learn_from: int) -> Scored:
    state, rows, own = PlantState(), [], []
    names = tuple(sensor.name for sensor in SENSORS[asset])
    for _ in range(ROWS):
        state, reading = read(state, asset, seed)
        rows.append([reading.values[name] for name in names])
        own.append(reading.fault.kind if reading.fault and reading.fault.asset == asset else None)
    matrix = np.array(rows)
    detector = fit(matrix[learn_from : learn_from + LEARNED], names, rows_per_week=6_048_000, false_alarms_per_week=1)
    _, scores = detector.score(detector.start(), matrix)
    return Scored(scores.score, [names[column] for column in scores.contribution.argmax(axis=1)], own)


@pytest.mark.parametrize(("seed", "learn_from"), RUNS)
@pytest.mark.parametrize("asset", SENSORS)
def test_there_is_no_alarm_while_the_asset_is_whole(asset: str, seed: int, learn_from: int) -> None:
    found = scored(asset, seed, learn_from)
    faulty = np.array([kind is not None for kind in found.own])
    touched = np.convolve(faulty, np.ones(SETTLED + 1))[:ROWS] > 0
    assert (~touched).sum() > 1300
    assert found.score[~touched].max() < 1.0


@pytest.mark.parametrize(("seed", "learn_from"), RUNS)
@pytest.mark.parametrize(
    ("asset", "kind", "within", "names"),
    [
        ("pump-1", FaultKind.LEAK, 20, {"flow", "outlet_pressure"}),
        ("pump-2", FaultKind.WEAR, 40, {"vibration"}),
        ("pump-2", FaultKind.DRIFT, 60, {"suction_pressure"}),
    ],
)
def test_each_fault_is_seen_within_seconds_at_the_right_sensor(
    asset: str, kind: FaultKind, within: int, names: set[str], seed: int, learn_from: int
) -> None:
    found = scored(asset, seed, learn_from)
    begun = found.own.index(kind)
    during = [row for row in range(begun, begun + 300) if found.own[row] is kind]
    alarmed = [row for row in during if found.score[row] > 1.0]
    assert alarmed
    assert alarmed[0] - during[0] <= within
    assert np.mean([found.top[row] in names for row in alarmed]) > 0.7
