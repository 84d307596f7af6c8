"""The detector that ships, fitted on what the demo learns from: quiet on a whole plant, right about each fault."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.demo.faults import FIRST_FAULT_ROW, Fault, FaultKind, fault_at
from iot_edge_anomaly.demo.plant import PlantState, read
from iot_edge_anomaly.demo.sensors import SENSORS
from iot_edge_anomaly.demo.settings import LINE, SECONDS_PER_ROW, TENANT, demo_rules
from iot_edge_anomaly.demo.station import SECONDS_PER_ROW as PLANT_SECONDS_PER_ROW
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import settings_for

ROWS = 4300
"""All four faults once."""

SETTLED = 160
"""Rows after a fault's end by which the averages and the bearing are back."""

SEEDS = (7, 1, 2, 3, 4)
STARTS = (0, 60)
"""Rows at which learning starts; it is over before the first fault comes."""

QUIET_HOURS = 5


class Scored(NamedTuple):
    score: NDArray[np.float64]
    top: list[str]
    own: list[FaultKind | None]


def never(_row: int) -> Fault | None:
    return None


@cache
def read_rows(
    asset: str, seed: int, rows: int, timetable: Callable[[int], Fault | None] = fault_at
) -> tuple[NDArray[np.float64], list[FaultKind | None]]:
    state, values, own = PlantState(), [], []
    for _ in range(rows):
        state, reading = read(state, asset, seed, timetable)
        values.append(list(reading.values.values()))
        own.append(reading.fault.kind if reading.fault and reading.fault.asset == asset else None)
    return np.array(values), own


@cache
def scored(
    asset: str, seed: int, start: int, rows: int = ROWS, timetable: Callable[[int], Fault | None] = fault_at
) -> Scored:
    matrix, own = read_rows(asset, seed, rows, timetable)
    names = tuple(sensor.name for sensor in SENSORS[asset])
    settings = settings_for(AssetKey(TENANT, str(LINE / asset)), demo_rules())
    learned, budget = settings.learn_rows or 0, settings.false_alarms_per_week or 0.0
    assert start + learned <= FIRST_FAULT_ROW
    detector = fit(
        matrix[start : start + learned],
        names,
        rows_per_week=7 * 86_400 / SECONDS_PER_ROW,
        false_alarms_per_week=budget,
    )
    _, scores = detector.score(detector.start(), matrix)
    return Scored(scores.score, [names[column] for column in scores.contribution.argmax(axis=1)], own)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("asset", SENSORS)
def test_hours_without_a_fault_are_hours_without_an_alarm(asset: str, seed: int) -> None:
    rows = round(QUIET_HOURS * 3600 / PLANT_SECONDS_PER_ROW)
    assert scored(asset, seed, 0, rows, never).score.max() < 1.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("asset", SENSORS)
def test_there_is_no_alarm_while_the_asset_is_whole(asset: str, start: int, seed: int) -> None:
    found = scored(asset, seed, start)
    faulty = np.array([kind is not None for kind in found.own])
    touched = np.convolve(faulty, np.ones(SETTLED + 1))[:ROWS] > 0
    assert (~touched).sum() > 1800
    assert found.score[~touched].max() < 1.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("asset", "kind", "within_seconds", "names"),
    [
        ("pump-1", FaultKind.LEAK, 4.0, {"flow", "outlet_pressure"}),
        ("pump-2", FaultKind.WEAR, 8.0, {"vibration"}),
        ("pump-2", FaultKind.DRIFT, 8.0, {"suction_pressure"}),
    ],
)
def test_each_fault_is_seen_within_seconds_at_the_right_sensor(
    asset: str, kind: FaultKind, within_seconds: float, names: set[str], start: int, seed: int
) -> None:
    found = scored(asset, seed, start)
    during = [row for row in range(ROWS) if found.own[row] is kind]
    alarmed = [row for row in during if found.score[row] > 1.0]
    assert alarmed
    assert (alarmed[0] - during[0]) * SECONDS_PER_ROW <= within_seconds
    assert np.mean([found.top[row] in names for row in alarmed]) > 0.7
