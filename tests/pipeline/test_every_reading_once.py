"""No reading vanishes, none counts twice: each is used, held, late, a repeat or set aside; order is no matter."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plant_runs import KEY, NS, T0, Run, batch, configured

from iot_edge_anomaly.core.messages import Batch, Item, SourceIdle

SENSORS = ("a", "b", "c")
LATENESS = 2
SETUP = configured(lateness_seconds=float(LATENESS), hold_seconds=0.0, sensors={})
THE_END = SourceIdle(KEY.tenant, KEY.asset, "plc", T0)
BAD = (float("nan"), float("inf"), float("-inf"))


class Reading(NamedTuple):
    second: int
    sensor: str
    value: float

    def batch(self) -> Batch:
        return batch(self.second, [self.value], sequence=-1, sensors=[self.sensor])


def shown(run: Run) -> dict[tuple[int, str], float]:
    """What the rows show, by second and sensor. A second and sensor that come twice fail."""
    found: dict[tuple[int, str], float] = {}
    for outcome in run.outcomes:
        if outcome.rows is None:
            continue
        for time_ns, line in zip(outcome.rows.times().tolist(), outcome.rows.values(), strict=True):
            for sensor, value in zip(outcome.rows.sensors, line.tolist(), strict=True):
                if np.isfinite(value):
                    place = ((time_ns - T0) // NS, sensor)
                    assert place not in found
                    found[place] = value
    return found


def expected(readings: list[Reading]) -> tuple[Counter[str], dict[tuple[int, str], float]]:
    """What becomes of each reading, worked out one by one."""
    fate: Counter[str] = Counter()
    used: dict[tuple[int, str], float] = {}
    closed, latest = -(1 << 40), -(1 << 40)
    for second, sensor, value in readings:
        if second < closed:
            fate["late"] += 1
        elif (second, sensor) in used:
            fate["duplicate"] += 1
        elif not np.isfinite(value):
            fate["set_aside"] += 1
        else:
            used[second, sensor] = value
            fate["used"] += 1
            latest = max(latest, second)
            closed = latest - LATENESS
    return fate, used


steps = st.tuples(
    st.integers(-4, 3),  # how far event time goes on
    st.sampled_from(SENSORS),
    st.sampled_from(["fine", "fine", "fine", "bad"]),
    st.booleans(),  # sent again
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=60), st.lists(st.integers(1, 120), max_size=12))
def test_each_reading_has_one_fate(script: list[tuple[int, str, str, bool]], cuts: list[int]) -> None:
    readings: list[Reading] = []
    second = 0
    for number, (on, sensor, kind, again) in enumerate(script):
        second += on
        value = BAD[number % 3] if kind == "bad" else 1000.0 + number
        readings += [Reading(second, sensor, value)] * (1 + again)
    run = Run([SETUP, *(reading.batch() for reading in readings), THE_END], cuts)
    fate, used = expected(readings)
    (count,) = run.counts().values()
    assert count.accepted == len(readings)
    assert {name: getattr(count, name) for name in ("used", "late", "duplicate", "set_aside")} == {
        name: fate[name] for name in ("used", "late", "duplicate", "set_aside")
    }
    assert count.held == 0
    assert shown(run) == used


@settings(max_examples=60, deadline=None)
@given(st.integers(5, 25), st.lists(st.floats(0, LATENESS), min_size=75, max_size=75), st.lists(st.integers(1, 80)))
def test_any_order_within_the_lateness_gives_the_same_rows(seconds: int, delays: list[float], cuts: list[int]) -> None:
    readings = [Reading(second, sensor, second + 0.1 * number) for second in range(seconds)
                for number, sensor in enumerate(SENSORS)]  # fmt: skip
    arrivals = sorted(range(len(readings)), key=lambda n: (readings[n].second + delays[n], n))
    head: list[Item] = [SETUP, batch(-1, [0.0] * 3, sequence=-1, sensors=SENSORS)]
    ordered = Run([*head, *(reading.batch() for reading in readings), THE_END])
    mixed = Run([*head, *(readings[number].batch() for number in arrivals), THE_END], cuts)
    for name in ("time_ns", "value", "score", "quality", "expected", "contribution"):
        assert mixed.concluded()[KEY][name] == ordered.concluded()[KEY][name]
    assert [count.late for count in mixed.counts().values()] == [0]


def test_what_still_waits_is_held_and_nothing_else() -> None:
    readings = [Reading(second, "a", float(second)) for second in range(10)]
    (count,) = Run([SETUP, *(reading.batch() for reading in readings)]).counts().values()
    assert (count.used, count.held) == (7, 3)
