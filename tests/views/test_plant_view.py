"""A plant view is what its commits say, whatever order partitions come in, however often they come, within bounds."""

from datetime import timedelta

import numpy as np
from commits import (  # type: ignore[import-not-found]
    NORMAL,
    NS,
    PUMP,
    RETURNED,
    SEEN,
    TANK,
    UNSEEN,
    a_history,
    commit,
    event,
    outcome,
    plant_of,
    rows,
    shown,
)
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmLevel, Notice, Phase, SourceCount
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings
from iot_edge_anomaly.views.plant import MOST_REASONS, OTHER_REASONS, Plant, Standing

HISTORY = a_history()


def test_an_asset_is_shown_as_its_last_commit_left_it() -> None:
    plant = plant_of(HISTORY)
    pump, tank = plant.assets()
    assert (pump.key, tank.key) == (PUMP, TANK)
    assert (pump.phase, pump.progress, pump.score, pump.model) == (Phase.CALIBRATED, 1.0, 4.05, "sha256:m")
    assert (pump.time_ns, pump.seen_ns, pump.maintenance_until_ns) == (81 * NS, 40 * NS, 40 * NS)
    assert plant.asset(PUMP) == pump
    assert plant.asset(AssetKey("acme", "unknown")) is None
    assert plant.trend(AssetKey("acme", "unknown")) is None
    assert list(plant.counts(PUMP)) == [SourceCount("plc", 80, 60, 0, 0, 20, 0)]


def test_an_alarm_keeps_its_whole_life() -> None:
    stages = [(NORMAL, UNSEEN), (UNSEEN, RETURNED), (RETURNED, UNSEEN), (UNSEEN, SEEN)]
    plant = Plant()
    for seq, (before, after) in enumerate(stages, 1):
        plant.apply(commit(0, seq, outcome(PUMP, alarms=(event("A1", before, after, seq),))))
    (alarm,) = plant.recent_alarms(PUMP)
    assert alarm.raised.reason == "reason of A1 at 1"
    assert [(one.before, one.after) for one in alarm.transitions] == stages
    assert alarm.latest is alarm.transitions[-1]
    assert alarm.is_open
    asset = plant.asset(PUMP)
    assert asset is not None
    assert asset.alarms == (alarm,)
    plant.apply(commit(0, 9, outcome(PUMP, alarms=(event("A1", SEEN, NORMAL, 9),))))
    asset, over = plant.asset(PUMP), plant.alarm("A1")
    assert asset is not None
    assert asset.alarms == ()
    assert over is not None
    assert not over.is_open


def test_the_newest_alarm_comes_first_whatever_partition_told_it() -> None:
    plant = Plant()
    plant.apply(commit(1, 1, outcome(TANK, alarms=(event("late", NORMAL, UNSEEN, 7, "I2"),))))
    plant.apply(
        commit(0, 2, outcome(PUMP, alarms=(event("early", NORMAL, UNSEEN, 3), event("mid", NORMAL, UNSEEN, 5))))
    )
    assert [alarm.raised.alarm_id for alarm in plant.alarms()] == ["late", "mid", "early"]
    assert [alarm.raised.alarm_id for alarm in plant.alarms(1)] == ["late"]
    assert [alarm.raised.alarm_id for alarm in plant.recent_alarms(PUMP)] == ["mid", "early"]
    assert [alarm.raised.alarm_id for alarm in plant.incident("I1")] == ["early", "mid"]


def test_open_alarms_stay_however_many_are_over() -> None:
    plant = Plant()
    plant.apply(commit(0, 1, outcome(PUMP, alarms=(event("open", NORMAL, UNSEEN, 1),))))
    for seq in range(2, 2_100):
        name = f"A{seq}"
        life = (event(name, NORMAL, UNSEEN, seq), event(name, UNSEEN, NORMAL, seq))
        plant.apply(commit(0, seq, outcome(PUMP, alarms=life)))
    assert plant.alarm("open") is not None
    assert len(plant.alarms(10_000)) == 2_001
    assert plant.alarm("A2") is None


def test_settings_are_those_of_the_rules() -> None:
    plant = Plant((AssetRule("acme/*", AssetSettings(learn_rows=7)),))
    assert plant.settings(PUMP).learn_rows == 7


def test_the_end_of_maintenance_is_shown() -> None:
    plant = Plant()
    for seq, until in ((1, 99), (2, 0)):
        plant.apply(commit(0, seq, outcome(PUMP, notices=(Notice("maintenance", "", "", until),))))
        asset = plant.asset(PUMP)
        assert asset is not None
        assert asset.maintenance_until_ns == until


def test_the_level_is_that_of_the_last_commit_and_before_it_that_of_the_checkpoint() -> None:
    plant, raised = Plant(), AlarmLevel(1.18, 2)
    plant.begin_with(PUMP, Standing(Phase.CALIBRATED, 1.0, 0, "sha256:m", 0, 0, (), raised))
    assert [asset.alarm_level for asset in plant.assets()] == [raised]
    plant.apply(commit(0, 1, outcome(PUMP, alarm_level=AlarmLevel(1.25, 3))))
    assert [asset.alarm_level for asset in plant.assets()] == [AlarmLevel(1.25, 3)]
    plant.apply(commit(0, 2, outcome(PUMP)))
    assert [asset.alarm_level for asset in plant.assets()] == [None]


def test_reasons_of_records_set_aside_are_counted_and_bounded() -> None:
    plant = Plant()
    for seq in range(1, MOST_REASONS + 11):
        record = SetAside(-1, "", f"reason {seq}", b"", 2)
        plant.apply(commit(0, seq, outcome(PUMP, set_aside=(("plc", record),))))
    assert len(plant.set_aside_by_reason) == MOST_REASONS + 1
    assert plant.set_aside_by_reason["reason 1"] == 2
    assert plant.set_aside_by_reason[OTHER_REASONS] == 20


@given(st.lists(st.integers(0, len(HISTORY) - 1), max_size=60), st.randoms())
def test_a_rebuilt_view_is_the_live_one_in_any_order_of_partitions_and_with_repeats(
    repeats: list[int], chance: "object"
) -> None:
    live = plant_of(HISTORY)
    first = [one for one in HISTORY if one.partition == 0]
    second = [one for one in HISTORY if one.partition == 1]
    mixed = []
    while first or second:
        source = first if not second or (first and chance.random() < 0.5) else second  # type: ignore[attr-defined]
        mixed.append(source.pop(0))
    seen: list[int] = []
    rebuilt = Plant()
    for one in mixed:
        rebuilt.apply(one)
        seen.append(HISTORY.index(one))
        for number in repeats:
            if number in seen:
                rebuilt.apply(HISTORY[number])
    assert shown(rebuilt) == shown(live)


def test_trends_of_all_assets_together_stay_within_their_bytes() -> None:
    plant = Plant(most_trend_bytes=200_000)
    keys = [AssetKey("acme", f"pump-{number}") for number in range(20)]
    for seq in range(1, 400):
        for partition, key in enumerate(keys):
            plant.apply(commit(partition, seq, outcome(key, rows=rows([[seq, 1.0]] * 3, first=3 * seq))))
            assert plant.trend_bytes <= 200_000
    for key in keys:
        trend = plant.trend(key)
        assert trend is not None
        assert trend.times[-1] == (3 * 399 + 2) * NS
        assert len(trend.times) >= 10


def test_one_asset_that_sends_much_is_bounded_in_rows() -> None:
    plant = Plant()
    block = rows(np.ones((5_000, 2)).tolist())
    for seq in range(1, 20):
        plant.apply(commit(0, seq, outcome(PUMP, rows=block)))
    trend = plant.trend(PUMP, timedelta(days=9))
    assert trend is not None
    assert 20_000 <= len(trend.times) < 25_000
