"""The benchmark of origins, on alarms made up and on a plant made here: it counts right, and a shuffle is found out."""

import doctest

import numpy as np
from benchmarks import fault_origin_cases
from benchmarks.fault_origin import complaints, figures, shuffle, table
from benchmarks.fault_origin_cases import SINGLE, Told, put_in
from benchmarks.injected import Ground, begins_in
from benchmarks.naming import learn_scale
from slow_causes import plant  # type: ignore[import-not-found]

from iot_edge_anomaly.core.outcomes import Origin
from iot_edge_anomaly.detection.linear import fit

SENSOR, MACHINE, UNTOLD = Origin.SENSOR, Origin.MACHINE, Origin.UNTOLD


def told(truth: Origin, said: Origin, count: int, *, is_held_back: bool = True) -> list[Told]:
    return [Told("events", "made", "event", truth, said, is_held_back)] * count


GOOD = [*told(SENSOR, SENSOR, 90), *told(SENSOR, MACHINE, 10), *told(MACHINE, MACHINE, 17), *told(MACHINE, SENSOR, 3)]


def test_shares_are_means_of_both_truths() -> None:
    found = figures([*GOOD, *told(MACHINE, UNTOLD, 20)])
    machine = found["all"]["machine"]
    assert machine == {
        "alarms": 40,
        "told_sensor": 3,
        "told_machine": 17,
        "untold": 20,
        "claimed": 0.5,
        "right": 0.85,
    }
    assert found["all"]["right"] == 0.875
    assert "87.5%" in table(found)


def test_what_misses_a_bar_is_said() -> None:
    assert complaints(figures(GOOD)) == []
    assert any("70.0%" in said or "are the bar" in said for said in complaints(figures(shuffle(GOOD))))
    silent = complaints(figures([*GOOD, *told(MACHINE, UNTOLD, 200)]))
    assert silent == ["machine: 9.1% of the alarms are told an origin; 25% are the bar"]
    one_sided = complaints(figures([*told(SENSOR, SENSOR, 9), *told(MACHINE, SENSOR, 9)]))
    assert one_sided[0] == "all: 50.0% of what is told are right; 80% are the bar"
    held_back_wrong = complaints(figures([*told(SENSOR, SENSOR, 50), *told(MACHINE, MACHINE, 50, is_held_back=False)]))
    assert held_back_wrong == ["held_back: none of what is told are right; 80% are the bar"]


def test_a_shuffle_is_right_half_of_the_time() -> None:
    many = GOOD * 50
    right = figures(shuffle(many))["all"]["right"]
    assert 0.45 < right < 0.55


def test_single_faults_that_alarm_tell_of_the_sensor() -> None:
    train, rows = plant(1_500, 1), plant(1_000, 2)
    detector = fit(train, tuple(f"s{n}" for n in range(10)), rows_per_week=10_080.0, false_alarms_per_week=1.0)
    ground = Ground("plant", "made", detector, learn_scale(train), rows, begins_in(np.ones(len(rows), bool)))
    found = list(put_in([ground], 6, 1))
    assert found == list(put_in([ground], 6, 1))
    assert 10 < len(found) <= 6 * len(SINGLE)
    assert all(one.truth is SENSOR for one in found)
    claimed = [one.told for one in found if one.told is not UNTOLD]
    assert claimed.count(SENSOR) > 0.9 * len(claimed)


def test_examples() -> None:
    assert doctest.testmod(fault_origin_cases).failed == 0
