"""A fault of a sensor or of the machine: told apart by the other sensors, on a plant made here."""

import doctest

import numpy as np
import pytest

from iot_edge_anomaly.component.detector import Detector, TellsOrigin
from iot_edge_anomaly.core.outcomes import Origin
from iot_edge_anomaly.detection import origin
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.detection.linear_model import LinearDetector
from iot_edge_anomaly.detection.usual import learn
from iot_edge_anomaly.detection.watched import WatchedDetector

NOISE = 0.1
MIXING = np.array([[1.0, 0.8, -0.9, 0.5, 1.1, -0.6], [0.2, -0.7, 0.4, 0.9, 0.5, 1.0]])
UNSEEN = np.array([0.9, 0.6, 1.1, -0.8, -0.5, 0.4])
"""How a cause that never moved while the plant was learned moves its six sensors."""

SENSORS = MIXING.shape[1]


def plant(rows: int, seed: int) -> np.ndarray:
    """Return rows of six sensors that follow two causes which come and go slowly."""
    random = np.random.default_rng(seed)
    causes = random.normal(size=(rows, 2))
    for row in range(1, rows):
        causes[row] += 0.9 * causes[row - 1]
    return np.asarray(causes @ MIXING + NOISE * random.normal(size=(rows, SENSORS)))


def learned(rows: np.ndarray) -> LinearDetector:
    names = tuple(f"s{number}" for number in range(rows.shape[1]))
    return fit(rows, names, rows_per_week=10_080.0, false_alarms_per_week=1.0)


@pytest.fixture(scope="module")
def detector() -> LinearDetector:
    return learned(plant(1_500, 1))


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return plant(40, 2)


@pytest.mark.parametrize("suspect", range(SENSORS))
@pytest.mark.parametrize("bias", [-5.0, 5.0, 10.0])
def test_one_sensor_that_is_off_is_a_fault_of_the_sensor(
    detector: LinearDetector, rows: np.ndarray, suspect: int, bias: float
) -> None:
    off = rows.copy()
    off[:, suspect] += bias
    told = [detector.origin(row, suspect) for row in off]
    assert told.count(Origin.SENSOR) > 0.9 * len(told)
    assert Origin.MACHINE not in told


def test_a_cause_never_seen_that_moves_all_sensors_is_a_fault_of_the_machine(
    detector: LinearDetector, rows: np.ndarray
) -> None:
    told = [detector.origin(row, suspect) for row in rows + 3.0 * UNSEEN for suspect in range(SENSORS)]
    assert told.count(Origin.MACHINE) > 0.9 * len(told)
    assert Origin.SENSOR not in told


def test_nothing_is_claimed_of_a_usual_row(detector: LinearDetector, rows: np.ndarray) -> None:
    told = [detector.origin(row, suspect) for row in rows for suspect in range(SENSORS)]
    assert told.count(Origin.UNTOLD) > 0.95 * len(told)


@pytest.mark.parametrize("sensors", [1, 2])
def test_nothing_is_claimed_of_fewer_than_three_sensors(sensors: int) -> None:
    few = learned(plant(1_500, 1)[:, :sensors])
    off = plant(40, 2)[:, :sensors] + np.eye(sensors)[0] * 10.0
    assert {few.origin(row, 0) for row in off} == {Origin.UNTOLD}


def test_nothing_is_claimed_where_sensors_do_not_predict_each_other() -> None:
    strangers = learned(np.random.default_rng(3).normal(size=(1_500, 5)))
    off = np.random.default_rng(4).normal(size=(40, 5)) + np.eye(5)[0] * 10.0
    assert {strangers.origin(row, 0) for row in off} == {Origin.UNTOLD}


def test_sensors_that_are_missing_have_no_say(detector: LinearDetector, rows: np.ndarray) -> None:
    off = rows.copy()
    off[:, 0] += 5.0
    off[:, 4] = np.nan
    assert [detector.origin(row, 0) for row in off].count(Origin.SENSOR) > 0.9 * len(off)
    assert {detector.origin(row, 4) for row in off} == {Origin.UNTOLD}
    off[:, 2:] = np.nan
    assert {detector.origin(row, 0) for row in off} == {Origin.UNTOLD}
    assert detector.origin(np.full(SENSORS, np.nan), 0) is Origin.UNTOLD
    assert isinstance(detector.origin(np.array([1e308, -1e308, np.inf, 0.0, 0.0, 0.0]), 0), Origin)


def test_a_watched_detector_tells_what_its_method_tells(detector: LinearDetector, rows: np.ndarray) -> None:
    usual = learn(plant(900, 5), np.full((900, SENSORS), np.nan))
    watched = WatchedDetector(detector, usual)
    assert isinstance(watched, TellsOrigin)
    assert watched.origin(rows[0] + np.eye(SENSORS)[1] * 5.0, 1) is Origin.SENSOR
    plain: Detector = DETECTORS["coldstart"].fit(rows, detector.sensors, rows_per_week=1.0, false_alarms_per_week=1.0)
    assert not isinstance(plain, TellsOrigin)
    assert WatchedDetector(plain, usual).origin(rows[0], 1) is Origin.UNTOLD


def test_examples() -> None:
    assert doctest.testmod(origin).failed == 0
