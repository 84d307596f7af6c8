"""Means, intervals and ratios of a benchmark, on runs whose figures are known."""

import msgspec
import numpy as np
import pytest

from iot_edge_anomaly.benchmark.series import Run
from iot_edge_anomaly.benchmark.summary import best_peer, standings, suite_figures, suite_means

METHODS = ("linear", "moving-zscore", "last-value")
BLANK = Run("", "", "", 1, 100, 200, None, None, None, 0.0, 0, 2.0, 0, [], 0.0, 0.001, None)


def run(suite: str, series: str, method: str, vus_pr: float | None, **figures: object) -> Run:
    return msgspec.structs.replace(
        BLANK, suite=suite, series=series, method=method, vus_pr=vus_pr, auc_pr=vus_pr, f1=vus_pr, **figures
    )


def of_three(suite: str, series: str, linear: float | None, moving: float | None, last: float | None) -> list[Run]:
    return [run(suite, series, name, v) for name, v in zip(METHODS, (linear, moving, last), strict=True)]


RUNS = [
    *of_three("a", "1", 0.9, 0.3, 0.2),
    *of_three("a", "2", 0.7, 0.5, 0.2),
    *of_three("a", "3", None, None, None),
    *of_three("b", "1", 0.4, 0.2, 0.3),
]


def test_a_suite_has_one_voice() -> None:
    means = suite_means(RUNS, METHODS)
    assert {suite: round(found["linear"], 6) for suite, found in means.items()} == {"a": 0.8, "b": 0.4}
    standing = standings(RUNS, METHODS)["linear"]
    assert standing.all.vus_pr == pytest.approx(0.6)
    assert standing.all.series == 3
    assert standing.without == pytest.approx({"a": 0.4, "b": 0.8})


def test_the_best_peer_is_the_one_with_the_highest_mean() -> None:
    assert best_peer(RUNS, METHODS) == "moving-zscore"
    found = standings(RUNS, METHODS)
    assert found["linear"].ratio_to_best_peer == pytest.approx(2.0)
    assert best_peer(RUNS, ("linear",)) is None
    assert standings([one for one in RUNS if one.method == "linear"], ("linear",))["linear"].ratio_to_best_peer is None


def test_the_interval_holds_as_many_resamples_as_it_says() -> None:
    figures = np.random.default_rng(5).uniform(0.2, 0.8, 40)
    runs = [one for place, figure in enumerate(figures) for one in of_three("a", f"{place:02}", figure, 0.3, 0.2)]
    interval = standings(runs, METHODS)["linear"].interval_95
    assert interval is not None
    low, high = interval
    deviation = figures.std() / np.sqrt(len(figures))
    assert low == pytest.approx(figures.mean() - 1.96 * deviation, abs=0.25 * deviation)
    assert high == pytest.approx(figures.mean() + 1.96 * deviation, abs=0.25 * deviation)
    ratio = standings(runs, METHODS)["linear"].ratio_interval_95
    assert ratio == pytest.approx((low / 0.3, high / 0.3))


def test_alarms_are_summed_up_over_time() -> None:
    runs = [
        run("a", "1", "linear", 0.5, false_alarms=3, events=2, delays_rows=[4, 10], growth_mb=3.0),
        run("a", "2", "linear", 0.5, false_alarms=1, events=3, delays_rows=[1], growth_mb=7.5),
        run("a", "3", "linear", None, false_alarms=2),
    ]
    found = suite_figures(runs, ("linear",))["a"]["linear"]
    assert found.false_alarms_per_week == pytest.approx(6 / 6.0)
    assert (found.events, found.events_found, found.median_delay_rows) == (5, 3, 4.0)
    assert found.microseconds_a_row == pytest.approx(5.0)
    assert found.growth_mb == 7.5


def test_without_a_label_there_is_no_rank_but_a_count_of_alarms() -> None:
    runs = [run("a", "1", name, None, false_alarms=4) for name in METHODS]
    found = standings(runs, METHODS)["linear"]
    assert found.all.vus_pr is found.interval_95 is found.ratio_to_best_peer is None
    assert found.all.false_alarms == 4
    assert best_peer(runs, METHODS) is None
    assert suite_means(runs, METHODS) == {}
