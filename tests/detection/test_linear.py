"""What the linear detector finds, says and keeps quiet about."""

import numpy as np
import pytest

from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.detection.blocks import ROWS, matmul_by_block
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.detection.linear_model import LinearDetector
from iot_edge_anomaly.detection.threshold import threshold_for_budget

NAMES = ("flow", "pressure", "power", "level")
RUN_ROWS = 30
"""Rows above the threshold that are this close are one alarm."""


def station(rows: int, seed: int) -> Matrix:
    """Flow follows demand, pressure and power follow flow; the level of a tank is slow. In bar, m3/h, kW, m."""
    random = np.random.default_rng(seed)
    demand = np.zeros(rows)
    for row in range(1, rows):
        demand[row] = 0.95 * demand[row - 1] + random.normal()
    flow = 120 + 5 * demand
    pressure = 6 - 0.02 * (flow - 120)
    power = 40 + 0.3 * (flow - 120)
    level = 2 + 0.3 * np.sin(np.arange(rows) / 200)
    noise = random.normal(size=(rows, 4)) * (0.5, 0.02, 0.3, 0.01)
    return np.stack((flow, pressure, power, level), axis=1) + noise


def learned(budget: float = 1.0, rows: int = 4000) -> LinearDetector:
    return fit(station(rows, 1), NAMES, rows_per_week=50_000.0, false_alarms_per_week=budget)


def test_a_shifted_sensor_is_an_alarm_and_named() -> None:
    rows = station(2000, 2)
    rows[1500:, 1] -= 0.5
    detector = learned()
    _, scores = detector.score(detector.start(), rows)
    assert (scores.score[:1500] <= 1).all()
    assert (scores.score[1503:1530] > 1).all()
    assert NAMES[int(scores.contribution[1510].argmax())] == "pressure"
    assert abs(scores.expected[1500, 1] - station(2000, 2)[1500, 1]) < 0.2


def test_a_sensor_that_is_away_has_no_voice_and_the_others_keep_theirs() -> None:
    rows = station(2000, 3)
    rows[100:, 0] = np.nan
    rows[1500:, 1] -= 0.5
    detector = learned()
    _, scores = detector.score(detector.start(), rows)
    assert (scores.score[:1500] <= 1).all()
    assert (scores.score[1510:1530] > 1).all()
    assert np.isnan(scores.expected[100:, 0]).all()
    long_gone = 400
    assert (scores.contribution[long_gone:, 0] < 1e-3).all()


def strangers(rows: int, seed: int) -> Matrix:
    """Return rows of eight sensors that know nothing of each other, each a little like its row before."""
    values = np.random.default_rng(seed).normal(size=(rows, 8))
    for row in range(1, rows):
        values[row] += 0.5 * values[row - 1]
    return values


@pytest.mark.parametrize("sensor", [0, 3, 7])
def test_a_sensor_that_is_stuck_is_named_though_it_is_not_odd(sensor: int) -> None:
    names = tuple(f"s{number}" for number in range(8))
    detector = fit(strangers(2_000, 1), names, rows_per_week=50_000.0, false_alarms_per_week=1.0)
    named = []
    for seed in range(10, 20):
        rows = strangers(260, seed)
        rows[200:, sensor] = rows[199, sensor]
        _, scores = detector.score(detector.start(), rows)
        named.append(int(scores.contribution[200:].sum(axis=0).argmax()))
    assert named.count(sensor) >= 9


@pytest.mark.parametrize("budget", [2.0, 20.0])
def test_false_alarms_stay_near_the_budget(budget: float) -> None:
    detector = learned(budget, rows=6000)
    weeks, alarms = 0.0, 0
    for seed in range(10, 16):
        _, scores = detector.score(detector.start(), station(20_000, seed))
        above = np.flatnonzero(scores.score > 1)
        alarms += 0 if not len(above) else 1 + int((np.diff(above) > RUN_ROWS).sum())
        weeks += 20_000 / 50_000
    assert alarms <= 3 * budget * weeks + 3


def test_a_rarer_budget_never_lowers_the_threshold() -> None:
    null = np.abs(np.random.default_rng(4).normal(size=5000)) + 0.5
    thresholds = [
        threshold_for_budget(null, rows_per_week=10_000.0, false_alarms_per_week=budget)
        for budget in (1000.0, 100.0, 10.0, 1.0, 0.1, 0.001)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[-1] > null.max()


def test_what_is_wrong_for_long_stays_an_alarm() -> None:
    rows = station(30_000, 7)
    rows[5_000:, 1] -= 0.5
    detector = learned()
    _, scores = detector.score(detector.start(), rows)
    assert (scores.score[:5_000] <= 1).all()
    assert (scores.score[5_010:] > 1).all()


def test_slow_wear_is_an_alarm_before_it_is_learned() -> None:
    rows = station(80_000, 6)
    rows[:, 1] -= 4.0 * rows[:4000, 1].std() * np.arange(80_000) / 80_000
    detector = learned()
    _, scores = detector.score(detector.start(), rows)
    assert (scores.score[:4000] <= 1).all()
    assert (scores.score[60_000:] > 1).mean() > 0.99
    assert NAMES[int(scores.contribution[60_000:].sum(axis=0).argmax())] == "pressure"


def test_no_lag_reaches_across_a_gap() -> None:
    rows = station(2000, 5)
    rows[1000:] += 40
    starts = np.zeros(2000, bool)
    starts[1000] = True
    apart = fit(rows, NAMES, rows_per_week=5e4, false_alarms_per_week=1.0, starts=starts)
    across = fit(rows, NAMES, rows_per_week=5e4, false_alarms_per_week=1.0)
    assert (apart.model.scales[0] < across.model.scales[0]).all()


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit(station(20, 0), NAMES, rows_per_week=1.0, false_alarms_per_week=1.0)
    with pytest.raises(ValueError, match="every cell is missing"):
        fit(np.full((100, 4), np.nan), NAMES, rows_per_week=1.0, false_alarms_per_week=1.0)


def test_blocks_multiply_as_numpy_does() -> None:
    random = np.random.default_rng(0)
    rows, weights = random.normal(size=(3 * ROWS + 1, 5)), random.normal(size=(5, 3))
    np.testing.assert_allclose(matmul_by_block(rows, weights, 7), rows @ weights, rtol=1e-12)
