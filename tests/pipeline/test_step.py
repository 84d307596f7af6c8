"""The whole step, case by case: learning, bad input, lateness, repeats, what is announced."""

import numpy as np
import pytest
from plant_runs import CONFIGURED, KEY, NS, SENSORS, T0, Run, batch, configured, plant

from iot_edge_anomaly.core.messages import (
    Envelope,
    FitFailed,
    Item,
    ModelActivated,
    NewNormal,
    SetAside,
    Shelve,
    SourceIdle,
    Tick,
    batch_of,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Notice, Phase, SourceCount
from iot_edge_anomaly.pipeline import learning, taking
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

ACTIVATED = ModelActivated("acme", "site/pump-1", "sha256:m", T0)


def rows_of(values: np.ndarray, start: int = 0) -> list[Item]:
    return [batch(start + row, line) for row, line in enumerate(values)]


def notices(run: Run) -> list[Notice]:
    return [notice for outcome in run.outcomes for notice in outcome.notices]


def learned_rows(run: Run) -> int:
    (request,) = run.requests()
    return sum((end - start) // NS + 1 for start, end in request.spans)


def the_count(run: Run) -> SourceCount:
    (count,) = run.counts().values()
    return count


# --- learning


def test_a_request_for_a_model_comes_once_and_takes_just_what_is_needed() -> None:
    run = Run([CONFIGURED, *rows_of(plant(100))])
    (request,) = run.requests()
    assert (request.first_seq, request.last_seq, request.why) == (2, 101, "first model")
    assert learned_rows(run) == 60
    assert run.outcomes[-1].progress == 1.0


def test_nothing_is_learned_while_a_limit_alarm_stands_even_where_it_is_shelved() -> None:
    values = plant(100)
    values[20:30, 0] = 20.0
    for shelving in ([], [Shelve("acme", "site/pump-1", "limit:flow:H", T0 + 10**6 * NS, T0, "ada")]):
        run = Run([CONFIGURED, *rows_of(values[:1]), *shelving, *rows_of(values[1:], 1)])
        (request,) = run.requests()
        assert learned_rows(run) == 60
        assert not any(start < T0 + row * NS < end for start, end in request.spans for row in range(20, 31))


def test_a_fit_that_failed_is_tried_again_with_twice_the_rows_all_of_them_new() -> None:
    items: list[Item] = [CONFIGURED, *rows_of(plant(70)), FitFailed("acme", "site/pump-1", "too dull", T0)]
    run = Run([*items, *rows_of(plant(130), 70)], [72, 73, 150])
    first, second = run.requests()
    assert second.first_seq == 72
    assert second.spans[0][0] > first.spans[-1][1]
    assert sum((end - start) // NS + 1 for start, end in second.spans) == 120
    assert [notice.kind for notice in notices(run)] == ["fit-failed"]


def test_what_is_to_be_known_of_a_lesson_is_told_when_its_model_comes_into_use() -> None:
    activated = ModelActivated("acme", "site/pump-1", "sha256:m", T0, note="spare never moved")
    run = Run([CONFIGURED, *rows_of(plant(70)), activated])
    assert [notice.text for notice in notices(run)] == ["model sha256:m is in use; spare never moved"]


def test_a_failure_that_answers_nothing_changes_nothing() -> None:
    items: list[Item] = [CONFIGURED, *rows_of(plant(30)), FitFailed("acme", "site/pump-1", "stale", T0)]
    assert learned_rows(Run([*items, *rows_of(plant(70), 30)])) == 60


def test_a_request_that_nobody_answers_is_made_again() -> None:
    items = [configured(learn_rows=10), *rows_of(plant(120))]
    requests = Run(items, [100]).requests()
    assert len(requests) == 2
    assert requests[0].spans == requests[1].spans


def test_a_new_normal_is_learned_anew_and_no_older_answer_ends_that() -> None:
    values = plant(100)
    late_answer = ModelActivated("acme", "site/pump-1", "sha256:part", T0)
    run = Run(
        [
            CONFIGURED,
            ACTIVATED,
            *rows_of(values[:50]),
            NewNormal("acme", "site/pump-1", T0, "ada"),
            late_answer,
            *rows_of(values / 2, 50),
        ],
        [200],
    )
    (request,) = run.requests()
    assert (request.first_seq, request.why) == (53, "new normal")
    assert run.outcomes[-1].phase is Phase.PROVISIONAL
    assert not any(alarm.condition == "score" for outcome in run.outcomes for alarm in outcome.alarms)
    assert [notice.kind for notice in notices(run)] == ["model-activated", "new-normal", "model-refused"]


def test_the_same_model_twice_changes_nothing_and_a_missing_one_is_refused() -> None:
    missing = ModelActivated("acme", "site/pump-1", "sha256:gone", T0)
    run = Run([CONFIGURED, *rows_of(plant(50)), ACTIVATED, ACTIVATED, missing, *rows_of(plant(9), 50)])
    assert [notice.kind for notice in notices(run)] == ["model-activated", "model-refused"]
    assert run.outcomes[-1].phase is Phase.CALIBRATED


def test_a_sensor_that_the_model_does_not_know_is_left_out_and_learned() -> None:
    lines = np.concatenate((plant(200), np.linspace(0, 900, 200)[:, None]), axis=1)
    items: list[Item] = [CONFIGURED, ACTIVATED, *rows_of(lines[:60, :3])]
    items += [batch(row, lines[row], sensors=(*SENSORS, "vibration")) for row in range(60, 200)]
    run = Run(items)
    (request,) = run.requests()
    assert (request.first_seq, request.why) == (63, "new sensor")
    assert [(notice.kind, notice.sensor) for notice in notices(run)] == [
        ("model-activated", ""),
        ("sensor-added", "vibration"),
    ]
    rows = run.outcomes[-1].rows
    assert rows is not None
    assert np.isnan(rows.expectations()[:, 3]).all()
    assert (rows.contributions()[:, 3] == 0).all()
    assert rows.scores().max() < 1


def test_a_model_that_does_not_know_a_sensor_by_now_begins_the_next_lesson() -> None:
    run = Run([CONFIGURED, *rows_of(plant(70)), ModelActivated("acme", "site/pump-1", "sha256:part", T0)])
    gathered = run.state.assets[KEY].learning
    assert (gathered.since_seq, gathered.why) == (72, "new sensor")


def test_an_asset_that_left_while_learning_keeps_no_input_and_begins_anew_when_it_is_back() -> None:
    pipeline, items = AnomalyPipeline(), [CONFIGURED, *rows_of(plant(20)), Tick(T0 + learning.ABANDONED_NS + 60 * NS)]
    run = Run(items[:-1])
    assert pipeline.needed_from(run.state) == 2
    gone = Run(items)
    assert pipeline.needed_from(gone.state) is None
    state, _ = pipeline.step(gone.state, [Envelope((batch(200_000, plant(1)[0], sequence=20),), 23)], {})
    assert pipeline.needed_from(state) == 23


# --- what is announced


def test_a_sensor_that_vanishes_is_announced_once_and_no_longer_missed() -> None:
    lines = plant(120)
    items = [CONFIGURED, *rows_of(lines[:20])]
    items += [batch(row, lines[row, :2], sensors=SENSORS[:2]) for row in range(20, 80)]
    items += rows_of(lines[80:], 80)
    run = Run(items)
    said = [(notice.kind, notice.sensor, (notice.time_ns - T0) // NS) for notice in notices(run)]
    assert said == [("sensor-vanished", "power", 40), ("sensor-returned", "power", 80)]
    (rows,) = (outcome.rows for outcome in run.outcomes if outcome.rows)
    names = [["good", "corrected", "missing", "rejected"][code] for code in rows.qualities()]
    assert names[22:24] == ["good", "missing"]  # held for three seconds after 19
    assert names[39:41] == ["missing", "good"]
    assert set(names[80:]) == {"good"}


def test_another_grid_closes_the_old_one_and_is_learned_anew() -> None:
    items = [CONFIGURED, ACTIVATED, *rows_of(plant(31)), configured("v2", grid_seconds=5.0), *rows_of(plant(70), 31)]
    run = Run(items)
    times = np.concatenate([outcome.rows.times() for outcome in run.outcomes if outcome.rows]) - T0
    assert (times // NS).tolist() == [*range(31), *range(35, 95, 5)]
    assert "grid-changed" in [notice.kind for notice in notices(run)]
    assert run.outcomes[-1].phase is Phase.PROVISIONAL
    assert the_count(run).late == 4 * 3


# --- bad input


def test_before_there_is_a_model_the_score_raises_nothing_but_limits_do() -> None:
    values = plant(50)
    values[30:, :] = 40.0
    outcomes = Run([CONFIGURED, *rows_of(values)]).outcomes
    assert {alarm.condition for outcome in outcomes for alarm in outcome.alarms} == {"limit:flow:H"}
    assert outcomes[-1].phase is Phase.PROVISIONAL


def test_bad_values_are_set_aside_with_their_reason() -> None:
    lines = [[10.0, 3.0, np.nan], [np.inf, 3.0, 20.0], [99.0, 3.0, 20.0], [1e308, -1e308, 20.0]]
    run = Run([CONFIGURED, *rows_of(np.array(lines)), batch(4, [1, 2, 3], quality=[0, 64, 63])])
    reasons = [record.reason for outcome in run.outcomes for _, record in outcome.set_aside]
    assert reasons == [
        *["not a finite number"] * 2,
        *["outside the physical range"] * 2,
        *["the source itself calls it bad"] * 2,
    ]
    assert the_count(run).set_aside == 6


def test_the_hugest_numbers_are_scored_and_shown_without_a_warning() -> None:
    lines = np.tile([10.0, -1e308, 1e308], (40, 1))
    lines[20:, 1] = 1e308
    for activation in ([], [ACTIVATED]):
        run = Run([CONFIGURED, *activation, *rows_of(lines)])
        for outcome in run.outcomes:
            if outcome.rows is not None:
                assert np.isfinite(outcome.rows.scores()).all()
                assert not np.isinf(outcome.rows.expectations()).any()


def test_a_batch_without_readings_is_counted_and_does_nothing() -> None:
    empty = batch_of(KEY, "plc", [], received_ns=T0, sequence=0, set_aside=(SetAside(0, "flow", "no number", b"?", 2),))
    run = Run([CONFIGURED, empty, empty])
    assert the_count(run) == SourceCount("plc", accepted=4, duplicate=2, set_aside=2)
    assert all(outcome.rows is None for outcome in run.outcomes)


@pytest.mark.parametrize("time_ns", [0, 4_102_444_800 * NS, -(1 << 62), (1 << 62) - 10 * NS])
def test_times_far_off_are_taken_in_replay_of_files_and_500_sensors_too(time_ns: int) -> None:
    sensors = tuple(f"s{number}" for number in range(500))
    readings = [(time_ns + row * NS, sensor, 1.0) for row in range(5) for sensor in sensors]
    run = Run([batch_of(KEY, "file", readings, received_ns=T0, sequence=0), SourceIdle("acme", KEY.asset, "file", T0)])
    rows = next(outcome.rows for outcome in run.outcomes if outcome.rows)
    assert rows.values().shape == (5, 500)
    assert np.isfinite(rows.scores()).all()


def test_5000_sensors_are_taken_and_more_are_set_aside() -> None:
    readings = [(T0, f"s{number}", 1.0) for number in range(taking.MOST_SENSORS + 3)]
    run = Run([batch_of(KEY, "file", readings, received_ns=T0), SourceIdle("acme", KEY.asset, "file", T0)])
    count = the_count(run)
    assert (count.used, count.set_aside) == (taking.MOST_SENSORS, 3)


def test_more_sources_than_anybody_has_are_set_aside() -> None:
    one = [batch(0, [1.0], sensors=["flow"], source=f"s{number}") for number in range(taking.MOST_SOURCES + 2)]
    run = Run([CONFIGURED, *one])
    assert sum(count.set_aside for count in run.counts().values()) == 2
    assert len(run.state.assets[KEY].sources) == taking.MOST_SOURCES


def test_what_waits_is_bounded_and_the_older_half_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_edge_anomaly.pipeline.step.MOST_WAITING", 60)
    items: list[Item] = [CONFIGURED, batch(0, [1.0], sensors=["flow"], source="slow"), *rows_of(plant(60))]
    whole, single = Run(items), Run(items, range(100))
    assert whole.concluded() == single.concluded()
    assert "waiting-too-long" in {notice.kind for notice in notices(whole)}
    assert max(asset.waiting.count for asset in whole.state.assets.values()) <= 60
    assert sum(count.late for count in whole.counts().values()) == 0


# --- order, repeats


def test_a_source_that_fell_behind_is_waited_for_until_it_is_idle() -> None:
    slow = batch(0, [1.0], sensors=["vibration"], source="slow")
    items: list[Item] = [CONFIGURED, slow, *rows_of(plant(30))]
    assert not any(outcome.rows for outcome in Run(items).outcomes)
    run = Run([*items, SourceIdle("acme", "site/pump-1", "slow", T0)])
    (rows,) = (outcome.rows for outcome in run.outcomes if outcome.rows)
    assert len(rows.times()) == 27


def test_unnumbered_repeats_are_found_by_sensor_and_time() -> None:
    first = batch(0, plant(1)[0], sequence=-1)
    count = the_count(Run([first, first, batch(1, plant(2)[1], sequence=-1)]))
    assert (count.accepted, count.duplicate) == (9, 3)


def test_late_readings_are_counted_and_not_used() -> None:
    assert the_count(Run([*rows_of(plant(10)), batch(2, plant(1)[0], sequence=99)])).late == 3


def test_an_asset_is_stored_only_when_something_happened_to_it() -> None:
    pipeline, other = AnomalyPipeline(), AssetKey("acme", "site/other")
    items = [*rows_of(plant(3)), batch(0, [1.0], sensors=["flow"], key=other)]
    state, _ = pipeline.step(pipeline.new_state(), [Envelope(tuple(items), 1)], {})
    assert pipeline.dump(state).assets.keys() == {KEY, other}
    state, outcomes = pipeline.step(state, [Envelope((Tick(T0 + 5 * NS), batch(1, [1.0], sensors=["flow"])), 2)], {})
    assert pipeline.dump(state).assets.keys() == {KEY}
    assert [outcome.key for outcome in outcomes] == [KEY]
    assert pipeline.dump(state).assets == {}


def test_the_state_is_small() -> None:
    sensors = [f"sensor {number}" for number in range(100)]
    lines = np.tile(np.arange(100.0), (300, 1))
    run = Run([configured(learn_rows=200), *(batch(row, line, sensors=sensors) for row, line in enumerate(lines))])
    stored = AnomalyPipeline().dump_asset(run.state, KEY)
    assert stored is not None
    assert len(stored) < 512 * 100
