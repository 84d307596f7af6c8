"""The benchmark of sensors named, on a plant made here: it finds the right ones, and a shuffled detector fails."""

from typing import Any

import numpy as np
import pytest
from benchmarks.injected import FAULT_ROWS, RUN_UP_ROWS, Case, Ground, begins_in, judge_all
from benchmarks.naming import learn_scale
from benchmarks.root_cause_events import Named
from benchmarks.root_causes import complaints, event_figures, fault_figures, place_figures, shuffle
from slow_causes import plant  # type: ignore[import-not-found]

from iot_edge_anomaly.detection.linear import fit


@pytest.fixture
def ground() -> Ground:
    train, rows = plant(1_500, 1), plant(1_000, 2)
    names = tuple(f"s{column}" for column in range(10))
    detector = fit(train, names, rows_per_week=10_080.0, false_alarms_per_week=1.0)
    return Ground("plant", "made", detector, learn_scale(train), rows, begins_in(np.ones(len(rows), bool)))


def test_faults_are_named_and_a_shuffled_detector_is_found_out(ground: Ground) -> None:
    sane, again, shuffled = (judge_all([ground], 6, 1, change) for change in (np.asarray, np.asarray, shuffle()))
    assert sane == again
    assert len(sane) == len(shuffled) == 36
    good, bad = fault_figures(sane), fault_figures(shuffled)
    assert good["share"] >= 0.9
    assert bad["share"] < 0.7
    assert good["chance"] == pytest.approx((5 * 3 / 10 + (1 - 7 * 6 * 5 / 720 - 0)) / 6, abs=0.06)


def test_a_fault_and_its_run_up_lie_in_quiet_rows() -> None:
    quiet = np.ones(400, bool)
    quiet[200] = False
    begins = begins_in(quiet)
    assert begins.tolist() == [*range(RUN_UP_ROWS, 201 - FAULT_ROWS), *range(201 + RUN_UP_ROWS, 401 - FAULT_ROWS)]
    assert not len(begins_in(np.ones(100, bool)))


def event(ours: bool, plain: bool, chance: float = 0.2) -> Named:
    return Named("smd", "m", "1-9", 38, 3, chance, ours, plain, True, [1, 2, 3])


def case(is_named: bool, has_alarm: bool = True) -> Case:
    return Case("plant", "pump-1", "drift", is_named, False, has_alarm, 1 / 3)


def said(events: list[Named], cases: list[Case]) -> str:
    faults: dict[str, dict[str, Any]] = {"plant": place_figures(cases)}
    return "; ".join(complaints(event_figures(events), faults))


def test_what_misses_a_bar_is_said() -> None:
    events, cases = [event(True, False)] * 8 + [event(False, True)] * 2, [case(True)] * 9 + [case(False)]
    assert said(events, cases) == ""
    assert "60%; 70% are the bar" in said(events[2:] + events[-2:], cases)
    assert "not 2 times what chance names" in said([event(True, False, 0.6)] * 10, cases)
    assert "not more than z-scores" in said([event(True, True)] * 10, cases)
    assert "80%; 90% are the bar" in said(events, [*cases[:8], *[case(False)] * 2])
    assert said([], cases) == "there is no event that names its channels"


def test_faults_with_and_without_an_alarm_are_told_apart() -> None:
    figures = fault_figures([case(True), case(True), case(False), case(False, has_alarm=False)])
    assert figures["with_an_alarm"] == 3
    assert (figures["share"], figures["share_with_an_alarm"], figures["share_without"]) == (0.5, 0.667, 0.0)
