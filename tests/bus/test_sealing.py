"""A storm of alarms of one asset: what they share is worked out once, some are sealed, of the others it is said."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import Match, NotSealed, Sealed, capsule_records, open_capsule, replay
from iot_edge_anomaly.bus.checkpoint import Checkpoint
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.models import ModelShelf
from iot_edge_anomaly.bus.sealing import MOST_SEALED, chosen, seal_alarms
from iot_edge_anomaly.bus.since import Since
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Envelope, Item, Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Priority
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "site/wall")
SENSORS = 100
EVERY_SECONDS = 10


class Counting(AnomalyPipeline):
    """The pipeline itself; it counts how often a state is read back."""

    loads = 0

    def load(self, shared: bytes, assets: Mapping[AssetKey, bytes]) -> PartitionState:
        self.loads += 1
        return super().load(shared, assets)


def sent(second: int, sensors: int) -> list[Item]:
    at_ns = T0 + second * NS
    readings = [(at_ns, f"s{number}", 1.0) for number in range(sensors)]
    return [batch_of(KEY, "plc", readings, received_ns=at_ns), Tick(at_ns)]


async def storm(bus: Bus) -> tuple[Checkpoint, Since, list[AlarmEvent]]:
    """All sensors of an asset but one fall silent at once: a checkpoint before, what came since, and the alarms."""
    pipeline, since = AnomalyPipeline(), Since()
    items = [[Tick(T0, True)], sent(0, SENSORS), *(sent(EVERY_SECONDS * number, 1) for number in range(1, 31))]
    before = [Envelope(tuple(item), number + 1) for number, item in enumerate(items)]
    state, _ = pipeline.step(pipeline.new_state(), before, {})
    dump = pipeline.dump(state)
    digest = await Blobs(bus).put(dump.assets[KEY])
    for number in range(31, 34):
        envelope = Envelope(tuple(sent(EVERY_SECONDS * number, 1)), number + 2)
        state, outcomes = pipeline.step(state, [envelope], {})
        since.remember([envelope], 0, outcomes, 1.0)
    raised = [alarm for _, alarm, _ in since.alarms]
    assert len(raised) == SENSORS - 1
    return Checkpoint(before[-1].seq, dump.shared, {KEY: digest}, 1), since, raised


@pytest.mark.anyio
@pytest.mark.server
async def test_of_a_storm_of_alarms_some_are_sealed_and_replay_and_of_the_others_it_is_said(nats_bus: Bus) -> None:
    before, since, raised = await storm(nats_bus)
    blobs, pipeline = Blobs(nats_bus), Counting()
    shelf = ModelShelf(blobs, unpack)
    for _ in range(2):  # again, as after a crash
        await seal_alarms(nats_bus, 0, pipeline, shelf, before, since)
        records = {alarm_id: record for alarm_id, (record, _) in (await capsule_records(nats_bus)).items()}
        assert records.keys() == {alarm.alarm_id for alarm in raised}
        sealed = [alarm_id for alarm_id, record in records.items() if isinstance(record, Sealed)]
        assert sealed == [alarm.alarm_id for alarm in raised[:MOST_SEALED]]
        assert sum(isinstance(record, NotSealed) for record in records.values()) == len(raised) - MOST_SEALED
        assert len(await blobs.list()) == MOST_SEALED + 3  # they share state and input
    assert pipeline.loads == 2
    for alarm_id in sealed:
        assert replay(await open_capsule(nats_bus, blobs, alarm_id), AnomalyPipeline(), {}).match is Match.EXACT
    with pytest.raises(RejectedError) as caught:
        await open_capsule(nats_bus, blobs, raised[-1].alarm_id)
    assert str(caught.value) == (
        f"alarm {raised[-1].alarm_id} can be listed but not replayed: {SENSORS - 1} alarms of acme/site/wall were "
        f"raised at once, of those the first {MOST_SEALED} by priority were sealed; one of them: "
        f"iot-edge-anomaly replay-alarm {raised[0].alarm_id}"
    )


def alarm_of(number: int, priority: Priority) -> AlarmEvent:
    states = AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED
    return AlarmEvent(f"A{number}", "I1", "score", "raise", *states, 1, priority, "")


@given(st.lists(st.sampled_from(Priority), max_size=3 * MOST_SEALED))
def test_the_most_urgent_are_sealed_and_among_equals_the_first(priorities: list[Priority]) -> None:
    raised = [(alarm_of(number, priority), number) for number, priority in enumerate(priorities)]
    first, others = chosen(raised)
    assert sorted(first + others, key=lambda pair: pair[1]) == raised
    assert len(first) == min(len(raised), MOST_SEALED)
    order = [(-list(Priority).index(alarm.priority), number) for alarm, number in first + others]
    assert order == sorted(order)
