"""Alarms where they live: in the step, with ticks, limits, stuck sensors and a person's word."""

from collections.abc import Sequence

import msgspec
import numpy as np

from iot_edge_anomaly.core.messages import (
    Envelope,
    Item,
    Maintenance,
    ModelActivated,
    NewNormal,
    PlantConfigured,
    Tick,
    batch_of,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AssetOutcome, Phase
from iot_edge_anomaly.detection.linear import fit
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.pipeline.step import AnomalyPipeline

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "pump")
SENSORS = ("flow", "power")
SETTINGS = AssetSettings(
    lateness_seconds=0.0,
    hold_seconds=3.0,
    learn_rows=50,
    silence_seconds=20.0,
    on_delay_rows=2,
    off_delay_rows=3,
    sensors={"flow": SensorSettings(unit="m³/h", high_limit=14.0, stuck_seconds=10.0)},
)


def usual(rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    flow = 10 + np.sin(np.arange(rows) / 5) + 0.1 * rng.normal(size=rows)
    return np.stack([flow, 2 * flow + 0.1 * rng.normal(size=rows)], axis=1)


MODELS = {"sha256:m": fit(usual(300), SENSORS, rows_per_week=604_800, false_alarms_per_week=1.0)}


class Partition:
    """A partition that holds one asset; remembers all that it concluded."""

    def __init__(self) -> None:
        self._pipeline = AnomalyPipeline()
        self._state = self._pipeline.new_state()
        self._seq = 0
        self._row = 0
        self.outcomes: list[AssetOutcome] = []
        self.configure(SETTINGS)

    def take(self, *items: Item) -> tuple[AssetOutcome, ...]:
        self._seq += 1
        self._state, said = self._pipeline.step(self._state, [Envelope(items, self._seq)], MODELS)
        self.outcomes += said
        return said

    def configure(self, settings: AssetSettings) -> None:
        self.take(PlantConfigured(f"v{self._seq}", pack_rules((AssetRule("*", settings),)), T0))

    def read(self, values: Sequence[Sequence[float]]) -> None:
        for line in values:
            self._row += 1
            now = self.now_ns
            readings = [(now, sensor, float(value)) for sensor, value in zip(SENSORS, line, strict=True)]
            self.take(batch_of(KEY, "plc", readings, received_ns=now, sequence=self._row))

    def tick(self, seconds: int, *, resumed: bool = False) -> tuple[AssetOutcome, ...]:
        return self.take(Tick(self.now_ns + seconds * NS, resumed))

    @property
    def now_ns(self) -> int:
        return T0 + self._row * NS

    @property
    def alarms(self) -> list[AlarmEvent]:
        return [event for outcome in self.outcomes for event in outcome.alarms]


def test_what_a_person_calls_normal_is_learned_although_the_alarm_stood() -> None:
    partition = Partition()
    partition.read(usual(10))
    partition.take(ModelActivated(KEY.tenant, KEY.asset, "sha256:m", partition.now_ns))
    changed = usual(200, seed=1) + np.array([0.0, 5.0])
    partition.read(changed[:60])
    assert [event.event for event in partition.alarms] == ["raise"]
    partition.take(NewNormal(KEY.tenant, KEY.asset, partition.now_ns, "ada"))
    assert [event.event for event in partition.alarms] == ["raise", "return", "acknowledge"]
    assert partition.outcomes[-1].phase is Phase.PROVISIONAL
    partition.read(changed[60:120])
    requests = [outcome.fit_request for outcome in partition.outcomes if outcome.fit_request]
    assert [request.why for request in requests] == ["new normal"]
    assert len(partition.alarms) == 3


def test_an_asset_that_stays_silent_is_told_of_once() -> None:
    partition = Partition()
    partition.read(usual(5))
    assert partition.tick(20) == ()
    (said,) = partition.tick(21)
    assert [(event.event, event.condition) for event in said.alarms] == [("raise", "silence:*")]
    assert [partition.tick(seconds) for seconds in range(22, 500)] == [()] * 478


def test_after_a_time_in_which_nobody_listened_sensors_have_their_usual_time_to_speak() -> None:
    partition = Partition()
    partition.read(usual(5))
    assert partition.tick(600, resumed=True) == ()
    assert partition.tick(620) == ()
    (said,) = partition.tick(621)
    assert [(event.event, event.condition) for event in said.alarms] == [("raise", "silence:*")]
    assert partition.tick(900, resumed=True) == ()


def test_a_clock_that_was_years_ahead_once_hides_no_silence_for_years() -> None:
    partition = Partition()
    partition.read(usual(5))
    said = partition.tick(10 * 365 * 86_400)
    assert [event.event for outcome in said for event in outcome.alarms] == ["raise"]
    (corrected,) = partition.tick(1)
    assert [notice.kind for notice in corrected.notices] == ["clock-corrected"]
    assert [event.event for event in corrected.alarms] == ["return"]
    assert partition.tick(20) == ()
    (said_again,) = partition.tick(23)
    assert [(event.event, event.condition) for event in said_again.alarms] == [("re-raise", "silence:*")]


def test_ticks_during_maintenance_say_nothing_until_it_is_over() -> None:
    partition = Partition()
    partition.read(usual(5))
    until = partition.now_ns + 100 * NS
    partition.take(Maintenance(KEY.tenant, KEY.asset, until, partition.now_ns, "ada"))
    assert [partition.tick(seconds) for seconds in range(1, 100)] == [()] * 99
    assert [event.event for outcome in partition.tick(100) for event in outcome.alarms] == ["raise"]


def test_a_stuck_sensor_is_told_of_with_the_value_it_is_stuck_at() -> None:
    partition = Partition()
    values = usual(40)
    values[10:30, 0] = 11.25
    partition.read(values)
    assert [(event.event, event.condition) for event in partition.alarms] == [
        ("raise", "stuck:flow"),
        ("return", "stuck:flow"),
    ]
    assert partition.alarms[0].reason == "flow has read exactly 11.25 m³/h for 10 s"


def test_a_limit_that_is_taken_out_of_the_configuration_ends_its_alarm() -> None:
    partition = Partition()
    values = usual(30)
    values[5:, 0] += 10.0
    partition.read(values[:10])
    assert [event.event for event in partition.alarms] == ["raise"]
    partition.configure(msgspec.structs.replace(SETTINGS, sensors={}))
    partition.read(values[10:])
    assert [event.event for event in partition.alarms] == ["raise", "return"]
