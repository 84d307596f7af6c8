"""Three thermometers of one bearing become one sensor: what it reads, who is told of, and what is kept of it."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.messages import Batch, PlantConfigured, Tick, batch_of
from iot_edge_anomaly.pipeline.fused import fused_rows
from iot_edge_anomaly.pipeline.settings import (
    AssetRule,
    AssetSettings,
    FusedSettings,
    SensorSettings,
    contradictions,
    pack_rules,
    settings_for,
    unpack_rules,
)
from state_pump import KEY, NS, T0, LivePump  # type: ignore[import-not-found]

MEMBERS = ("t_a", "t_b", "t_c")
NAMES = (*MEMBERS, "load")
MADE = FusedSettings(of=MEMBERS, tolerance=1.0)
SETTINGS = AssetSettings(
    learn_rows=300,
    lateness_seconds=0.0,
    silence_seconds=0.0,
    fused={"t": MADE},
    sensors={"t": SensorSettings(high_limit=80.0)},
)
NO_HOLD = msgspec.structs.replace(SETTINGS, hold_seconds=0.0)


def bearing(rows: int, seed: int = 0) -> np.ndarray:
    """Return healthy rows: three thermometers that agree to 0.1 or so, and a load that they follow."""
    random = np.random.default_rng(seed)
    load = 1.0 + 0.2 * np.sin(np.arange(rows) / 40.0) + 0.02 * random.normal(size=rows)
    return np.column_stack(((40.0 + 10.0 * load)[:, None] + 0.1 * random.normal(size=(rows, 3)), load))


def chosen(given_: AssetSettings, choice: str) -> AssetSettings:
    return msgspec.structs.replace(given_, fused={"t": msgspec.structs.replace(MADE, choice=choice)})


class Bearing(LivePump):  # type: ignore[misc]
    """The bearing's readings through the pipeline; NaN: not sent."""

    def __init__(self, given_: AssetSettings = SETTINGS, **how: object) -> None:
        super().__init__(given_, **how)

    def _batch(self, line: list[float]) -> Batch:
        at_ns = T0 + self.sent * NS
        self.sent += 1
        readings = [(at_ns, name, value) for name, value in zip(NAMES, line, strict=True) if np.isfinite(value)]
        return batch_of(KEY, "plc", readings, received_ns=at_ns, epoch=0, sequence=self.sent)

    def column(self, sensor: str) -> np.ndarray:
        return np.concatenate([rows.values()[:, rows.sensors.index(sensor)] for rows in self.blocks])

    def numbered(self, kind: str) -> list[int]:
        return [(notice.time_ns - T0) // NS for notice in self.notices if notice.kind == kind]


def sent(values: np.ndarray, given_: AssetSettings = SETTINGS, **how: object) -> Bearing:
    live = Bearing(given_, **how)
    live.send(values)
    return live


# --- what it reads


def test_it_is_a_sensor_that_reads_the_median_of_the_others() -> None:
    values = bearing(50)
    live = sent(values)
    np.testing.assert_array_equal(live.column("t"), np.median(values[:-1, :3], axis=1))
    assert live.told("sensor-added") == []


def test_the_preferred_one_or_a_mean() -> None:
    values = bearing(50)
    np.testing.assert_array_equal(sent(values, chosen(SETTINGS, "priority")).column("t"), values[:-1, 0])
    assert np.abs(sent(values, chosen(SETTINGS, "weighted")).column("t") - values[:-1, :3].mean(axis=1)).max() < 0.1


def test_one_that_drifts_away_is_told_of_and_does_not_take_it_along() -> None:
    values = bearing(800)
    values[400:600, 1] += np.minimum(np.arange(200) * 0.05, 40.0)
    live = sent(values)
    truth = 40.0 + 10.0 * values[:-1, 3]
    assert np.abs(live.column("t") - truth).max() < 0.6
    (lost,), (back,) = live.numbered("sensor-distrusted"), live.numbered("sensor-trusted")
    assert 415 < lost < 440
    assert 640 < back < 690
    assert live.told("sensor-distrusted") == ["t_b is more than 1 off what the others read: t goes without it"]


def test_a_limit_of_it_holds_for_the_quantity_and_not_for_one_sensor() -> None:
    values = bearing(100)
    values[50:70, 2] = 95.0
    assert "limit:t:H" not in sent(values).raised
    values[50:70, :3] = 95.0
    assert "limit:t:H" in sent(values).raised


def test_when_the_preferred_one_fails_the_next_is_read_and_it_again_when_it_is_back() -> None:
    values = bearing(300)
    values[100:200, 0] = np.nan
    found = sent(values, chosen(NO_HOLD, "priority")).column("t")
    for rows, member in ((slice(0, 100), 0), (slice(100, 200), 1), (slice(200, 299), 0)):
        np.testing.assert_array_equal(found[rows], values[rows, member])


def test_sensors_of_other_rates_are_held_and_count() -> None:
    values = bearing(200)
    slow = values.copy()
    slow[np.arange(200) % 10 != 0, 1] = np.nan
    slow[np.arange(200) % 3 != 0, 2] = np.nan
    live = sent(slow)
    assert np.isfinite(live.column("t")).all()
    assert live.numbered("sensor-distrusted") == []
    assert np.abs(live.column("t") - (40.0 + 10.0 * values[:-1, 3])).max() < 0.8


def test_two_that_disagree_are_told_of_once_and_when_it_is_over() -> None:
    values = bearing(300)
    values[:, 2] = np.nan
    values[100:150, 1] += 5.0
    values[200:205, 1] += 5.0
    live = sent(values)
    np.testing.assert_array_equal(live.column("t")[100:150], values[100:150, 0])
    assert live.numbered("sensors-disagree") == [109]
    assert live.numbered("sensors-agree") == [159]
    assert live.told("sensors-agree") == ["what t is made of agrees again, after 50 rows of conflict"]
    assert live.numbered("sensor-distrusted") == []


def test_where_no_member_reads_anything_it_reads_nothing() -> None:
    values = bearing(100)
    values[50:60, :3] = np.nan
    assert np.flatnonzero(np.isnan(sent(values, NO_HOLD).column("t"))).tolist() == list(range(50, 60))


def test_a_reading_of_its_name_is_set_aside_and_counted() -> None:
    live = Bearing()
    for row in range(10):
        at_ns = T0 + row * NS
        readings = [(at_ns, "t_a", 50.0), (at_ns, "t_b", 50.2), (at_ns, "t", 99.0)]
        live.step([batch_of(KEY, "plc", readings, received_ns=at_ns, epoch=0, sequence=row + 1)])
    assert live.column("t").tolist() == [50.1] * 9
    aside = [record for outcome in live.outcomes for _, record in outcome.set_aside]
    assert sum(record.count for record in aside) == 10
    assert all("worked out here" in record.reason for record in aside)


# --- a life


@settings(max_examples=10, deadline=None)
@given(rows_a_step=st.integers(1, 200), reload=st.booleans())
def test_cuts_and_restarts_change_no_bit(rows_a_step: int, reload: bool) -> None:
    values = bearing(250)
    values[60:90, 1] += 5.0
    values[120:150, 2] = np.nan
    whole, other = sent(values, rows_a_step=1000), sent(values, rows_a_step=rows_a_step, reload=reload)
    assert whole.column("t").tobytes() == other.column("t").tobytes()
    assert whole.notices == other.notices


def test_it_is_learned_as_it_was_read() -> None:
    live = sent(bearing(400))
    sensors, _, rows = fused_rows(live._stored, KEY, live.rules)
    np.testing.assert_array_equal(rows[:, sensors.index("t")], live.column("t"))
    assert [request.why for request in live.requests] == ["first model"]


def test_one_that_is_declared_later_is_a_new_sensor_and_is_learned() -> None:
    live = sent(bearing(320), msgspec.structs.replace(SETTINGS, fused={}))
    live.configure(SETTINGS)
    live.send(bearing(700)[320:])
    assert [request.why for request in live.requests] == ["first model", "new sensor"]
    assert "t" in live.blocks[-1].sensors


# --- how it is declared


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        ({"t": {"of": ["t_a"], "tolerance": 1.0}}, "two different sensors"),
        ({"t": {"of": ["t_a", "t_a"], "tolerance": 1.0}}, "two different sensors"),
        ({"t": {"of": ["t", "t_a"], "tolerance": 1.0}}, "which is made"),
        ({"shift": {"of": ["t_a", "t_b"], "tolerance": 1.0}}, "a calendar of shifts is"),
        ({"t": {"of": ["t_a", "t_b"], "tolerance": 0.0}}, "> 0"),
        ({"t": {"of": ["t_a", "t_b"]}}, "tolerance"),
        ({"t": {"of": ["t_a", "t_b"], "tolerance": 1.0, "choice": "mean"}}, "choice"),
        ({"t": {"of": ["t_a", ""], "tolerance": 1.0}}, "empty"),
    ],
)
def test_what_cannot_be_made_is_refused(made: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        unpack_rules(msgspec.json.encode([{"match": "*", "settings": {"fused": made}}]))


def test_rules_that_contradict_each_other_are_merged_and_the_later_one_wins() -> None:
    """What is wrong in one rule is told by `config check`; two that were right each must never stop a step."""
    of_made = FusedSettings(of=("t", "t_c"), tolerance=1.0)
    rules = (AssetRule("*", SETTINGS), AssetRule("acme/*", AssetSettings(fused={"u": of_made})))
    live = Bearing(SETTINGS)
    live.rules = rules
    live.step([PlantConfigured("v2", pack_rules(rules), T0)])
    live.send(bearing(50))
    assert np.isfinite(live.column("t")).all()
    np.testing.assert_array_equal(live.column("u"), live.column("t_c"))
    assert [key for key, _ in contradictions(settings_for(KEY, rules))] == ["fused"]


def test_what_is_made_is_neither_silent_nor_stuck() -> None:
    watched = msgspec.structs.replace(SETTINGS, silence_seconds=30.0, stuck_seconds=60.0, fused={})
    live = Bearing(watched)
    live.step([batch_of(KEY, "plc", [(T0, "t", 50.0)], received_ns=T0, epoch=0, sequence=0)])
    live.configure(msgspec.structs.replace(watched, fused=SETTINGS.fused))
    live.send(bearing(200))
    now_ns = T0 + live.sent * NS
    live.step([Tick(now_ns - NS), Tick(now_ns)])
    assert [event.condition for event in live.events if event.condition.endswith(":t")] == []


def test_one_that_is_declared_while_a_model_is_asked_for_is_learned_all_the_same() -> None:
    live = Bearing(msgspec.structs.replace(SETTINGS, fused={}), rows_a_step=1)
    live.hold_answers, before = True, live.rules
    live.send(bearing(310))
    live.configure(SETTINGS)
    live.send(bearing(20))
    after, live.rules = live.rules, before  # the trainer read the rules as they were when it was asked
    live.answer_held()
    live.rules = after
    live.send(bearing(600))
    assert [request.why for request in live.requests] == ["first model", "new sensor"]


def test_there_is_room_for_what_is_made_however_many_sensors_are_sent() -> None:
    live = Bearing()
    readings = [(T0, f"s{number}", 1.0) for number in range(6000)]
    live.step([batch_of(KEY, "plc", readings, received_ns=T0, epoch=0, sequence=1)])
    live.send(bearing(5))
    assert "t" in live._state.assets[KEY].sensors


def test_rules_come_back_and_later_ones_win_by_name() -> None:
    other = FusedSettings(of=("t_b", "t_c"), tolerance=2.0)
    rules = (
        AssetRule("*", SETTINGS),
        AssetRule("acme/*", AssetSettings(fused={"t": other, "u": MADE})),
    )
    assert unpack_rules(pack_rules(rules)) == rules
    assert settings_for(KEY, rules).fused == {"t": other, "u": MADE}
