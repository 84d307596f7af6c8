import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nicegui.observables import ObservableCollection, ObservableDict
from seeded_plant import PUMP_1, PUMP_2, SeededPlant  # type: ignore[import-not-found]

from iot_edge_anomaly.console.assets.looked import Looked, looked_address, looked_at
from iot_edge_anomaly.console.assets.rows import thin_live, usual_distance, with_detail, without_seam
from iot_edge_anomaly.console.trend import chart as trend
from iot_edge_anomaly.console.trend.chart import Area, Look, Shown
from iot_edge_anomaly.console.trend.heat import heat_cells, heat_sensors
from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, Priority
from iot_edge_anomaly.core.stretch import Stretch

STEP = 100_000_000


def rows(times: list[int], score: list[float] | None = None, sensors: tuple[str, ...] = ("a",)) -> Stretch:
    count, width = len(times), len(sensors)
    scores = np.array(score if score is not None else [0.1] * count, np.float64)
    figures = np.tile(np.array(times, np.float64)[:, None], (1, width))
    parts = np.repeat(scores[:, None] / width, width, 1).astype(np.float32)
    return Stretch(
        sensors, np.array(times), scores, figures, figures.astype(np.float32), parts, np.zeros(count, np.uint8)
    )


def drawn(stretch: Stretch, **more: object) -> dict:  # type: ignore[type-arg]
    return trend.chart(Shown(stretch, (Look("a", "A"),), int(stretch.times[0]), int(stretch.times[-1]), **more))  # type: ignore[arg-type]


@given(st.lists(st.floats(0, 50), min_size=1, max_size=2000), st.integers(2, 300), st.integers(0, 10**6))
def test_a_thinned_chart_keeps_the_oddest_row_and_the_newest(scores: list[float], points: int, start: int) -> None:
    whole = rows([(start + number) * STEP for number in range(len(scores))], scores)
    kept = thin_live(whole, points)
    assert kept.score.max() == whole.score.max()
    assert kept.times[-1] == whole.times[-1]
    assert np.all(np.diff(kept.times) > 0)
    assert len(kept.times) <= 2 * points + 3


def test_a_chart_that_moves_on_does_not_flicker() -> None:
    scores = np.random.default_rng(1).random(1300).tolist()
    whole = rows([number * STEP for number in range(1300)], scores)
    before, after = (thin_live(whole.at(np.arange(start, start + 1200)), 240).times for start in (0, 50))
    both = (60 * STEP, 1180 * STEP)
    assert [t for t in before if both[0] <= t <= both[1]] == [t for t in after if both[0] <= t <= both[1]]


@given(st.sets(st.integers(0, 400), min_size=1), st.integers(0, 400), st.integers(0, 400))
def test_history_and_memory_join_without_a_seam(numbers: set[int], ends: int, begins: int) -> None:
    times = sorted(numbers)
    past = rows([time for time in times if time <= ends], sensors=("a", "old"))
    live = rows([time for time in times if time >= min(begins, ends + 1)], sensors=("b", "a"))
    found = without_seam(past, live)
    assert found is not None
    assert found.times.tolist() == times
    if len(past.times) and len(live.times):
        assert found.sensors == ("b", "a", "old")
        assert found.values[:, 1].tolist() == times


@given(st.integers(0, 99), st.integers(0, 99))
def test_what_is_zoomed_into_takes_the_place_of_what_was_coarse(one: int, other: int) -> None:
    first, last = sorted((one, other))
    coarse, fine = rows(list(range(0, 100, 10))), rows(list(range(first, last + 1)))
    found = with_detail(coarse, fine).times.tolist()
    assert found == sorted({*(t for t in range(0, 100, 10) if t < first or t > last), *range(first, last + 1)})


@pytest.mark.parametrize(
    ("highest", "step", "top"),
    [(0.2, 0.25, 1.25), (1.3, 0.5, 1.5), (1.85, 0.5, 2.0), (4.9, 2.0, 6.0), (60.0, 25.0, 75.0)],
)
def test_the_score_axis_holds_threshold_and_scores(highest: float, step: float, top: float) -> None:
    axis = drawn(rows([0, STEP], [0.0, highest]))["yAxis"][0]
    assert (axis["interval"], axis["max"]) == (step, top)


def test_a_chart_is_valid_json_with_holes_as_null() -> None:
    plant = SeededPlant(ManualClock(1_700_000_000 * 10**9))
    for key in (PUMP_1, PUMP_2):
        stretch = plant.trend(key, Looked().length)
        options = trend.chart(Shown(stretch, (Look("flow", "Flow"),), 0, int(stretch.times[-1])))
        json.dumps(options, allow_nan=False)
        assert len({len(column) for column in options["dataset"]["source"].values()}) == 1
    assert set(options["dataset"]["source"]["expected0"]) == {None}


def test_every_quality_but_good_has_a_mark_in_words() -> None:
    stretch = rows(list(range(len(ROW_QUALITIES))))._replace(quality=np.arange(len(ROW_QUALITIES), dtype=np.uint8))
    (marks,) = (one for one in drawn(stretch)["series"] if one["name"] == "Quality")
    assert [mark["name"].split(":")[0] for mark in marks["data"]] == ["Corrected", "Missing", "Rejected", "Not judged"]


def test_what_is_above_the_threshold_is_drawn_over_the_grey_line_without_a_gap() -> None:
    options = drawn(rows([number * STEP for number in range(6)], [0.2, 0.3, 1.4, 1.5, 0.6, 0.2]))
    assert options["dataset"]["source"]["odd"] == (None, 0.3, 1.4, 1.5, 0.6, None)


def test_what_the_page_watches_for_changes_does_not_grow_with_the_rows() -> None:
    few, many = (watched(ObservableDict(drawn(rows([number * STEP for number in range(n)])))) for n in (50, 5000))
    assert 0 < many <= few


def watched(options: object) -> int:
    below = options.values() if isinstance(options, dict) else options if isinstance(options, list | tuple) else ()
    return isinstance(options, ObservableCollection) + sum(map(watched, below))


def test_no_line_is_drawn_across_a_hole() -> None:
    source = drawn(rows([*range(0, 100 * STEP, STEP), *range(900 * STEP, 1000 * STEP, STEP)]))["dataset"]["source"]
    assert source["score"].index(None) == 100
    assert source["score"].count(None) == 1


def test_an_alarm_is_shaded_within_the_time_that_is_shown() -> None:
    areas = (Area(-5 * STEP, 1 << 62, "not acknowledged", Priority.HIGH), Area(99 * STEP, 1 << 62, "", Priority.LOW))
    options = drawn(rows([0, 10 * STEP]), areas=areas)
    [[begin, end]] = options["series"][0]["markArea"]["data"]
    assert (begin["xAxis"], end["xAxis"], begin["name"]) == (0, 1000, "not acknowledged")


def test_the_band_is_what_is_usual_in_calm_time() -> None:
    stretch = rows([number * STEP for number in range(100)], [0.1] * 90 + [2.0] * 10)
    far = np.where(np.arange(100) < 90, 1.0, 50.0)[:, None]
    assert usual_distance(stretch._replace(values=stretch.expected + far), "a") == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(usual_distance(rows([0, STEP]), "a"))


def test_the_map_tells_who_contributed_when() -> None:
    stretch = rows([number * STEP for number in range(1000)], sensors=("a", "b", "c"))
    stretch.contributions[:] = 0.0
    stretch.contributions[500, 1] = 0.9
    stretch.contributions[:, 2] = np.nan
    assert heat_sensors(stretch) == ["a", "b"]
    [[since, until, sensor, value]] = heat_cells(stretch, ["a", "b"])
    assert since <= 50_000 <= until
    assert (sensor, value) == (1, 0.9)


@pytest.mark.parametrize(
    ("query", "looked"),
    [
        ({}, Looked()),
        ({"span": "8h"}, Looked("8h")),
        ({"at": "5"}, Looked("1h", 5)),
        ({"at": "5", "span": "30d"}, Looked("30d", 5)),
        ({"at": "-1", "span": "9y"}, Looked()),
        ({"at": "9" * 19}, Looked()),
        ({"at": "²"}, Looked()),
    ],
)
def test_an_address_may_say_anything(query: dict[str, str], looked: Looked) -> None:
    assert looked_at(query) == looked
    assert looked_address(PUMP_1, looked).startswith("/asset/demo/station-1")


def test_whoever_moves_up_to_now_is_live_again() -> None:
    hour = 3600 * 10**9
    now_ns = 1000 * hour
    earlier = Looked("8h").shifted(-1, now_ns)
    assert earlier.ends(now_ns) == (now_ns - 12 * hour, now_ns - 4 * hour)
    assert earlier.shifted(1, now_ns) == Looked("8h")


@pytest.mark.parametrize(("level", "said"), [(1.0, "1"), (1.1801, "1.18"), (3.0, "3")])
def test_the_threshold_stands_where_verdicts_have_put_it(level: float, said: str) -> None:
    options = drawn(rows([number * STEP for number in range(5)], [0.5, 0.9, 1.1, 0.6, 0.4]), level=level)
    assert options["title"][0]["text"] == f"Score: above {said} is an alarm"
    assert options["series"][0]["markLine"]["data"][0]["yAxis"] == level
    assert options["yAxis"][0]["max"] > level
    assert any(value is not None for value in options["dataset"]["source"]["odd"]) is (level < 1.1)
