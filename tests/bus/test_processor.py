"""The owner loop: each input message leads to outcomes once, whatever fails at whatever point."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from bus_server import BusServer, eventually
from partition_runs import (
    ACTIVATED,
    KEY,
    MODEL,
    all_of,
    commits_of,
    concluded,
    expected,
    processing,
    put_in,
    row,
    usual,
    with_alarms,
    worked_in,
)

from iot_edge_anomaly.bus import lease, since
from iot_edge_anomaly.bus import processor as processor_room
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import Match, open_capsule, replay
from iot_edge_anomaly.bus.checkpoint import read_manifest
from iot_edge_anomaly.bus.codec import encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.lease import Lease
from iot_edge_anomaly.bus.models import models_in
from iot_edge_anomaly.bus.processor import Processor
from iot_edge_anomaly.bus.streams import OUTCOMES, readings_subject
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import FatalError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, Envelope
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack

pytestmark = pytest.mark.anyio


class DiedError(Exception):
    """Stands for SIGKILL: nothing catches it."""


class FusedBus(Bus):
    """A real connection whose next publish to some subject fails, before or after the server has it."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus._client)
        self.subject = ""
        self.error: type[Exception] = UnavailableError
        self.is_stored = False
        self.skip = 0
        self.blown = asyncio.Event()

    def arm(self, subject: str, error: type[Exception], *, is_stored: bool, skip: int) -> None:
        self.subject, self.error, self.is_stored, self.skip = subject, error, is_stored, skip

    async def publish(self, subject: str, payload: bytes, **options: Any) -> int:
        if not self.subject or not subject.startswith(self.subject):
            return await super().publish(subject, payload, **options)
        if self.skip:
            self.skip -= 1
            return await super().publish(subject, payload, **options)
        self.subject = ""
        if self.is_stored:
            await super().publish(subject, payload, **options)
        self.blown.set()
        raise self.error("the fuse has blown")


def check_ranges(commits: Sequence[Commit]) -> None:
    """No message is worked in twice."""
    for before, after in itertools.pairwise(commits):
        assert before.last_seq < after.first_seq
    assert all(commit.first_seq <= commit.last_seq for commit in commits)


@pytest.mark.parametrize("is_stored", [False, True], ids=["not-stored", "stored-but-not-answered"])
@pytest.mark.parametrize("error", [UnavailableError, DiedError])
@pytest.mark.parametrize(
    ("subject", "skip"),
    [
        ("outcomes.", 0),
        ("outcomes.", 3),
        ("$KV.capsules.", 0),
        ("blobs.", 0),
        ("blobs.", 2),
        ("$KV.checkpoints.", 0),
        ("$KV.checkpoints.", 1),
        ("$KV.leases.", 1),
    ],
)
async def test_a_failure_at_any_write_changes_no_conclusion(
    nats_bus: Bus, monkeypatch: pytest.MonkeyPatch, subject: str, skip: int, error: type[Exception], is_stored: bool
) -> None:
    monkeypatch.setattr(since, "CHECKPOINT_MESSAGES", 6)
    monkeypatch.setattr(processor_room, "MOST_MESSAGES", 4)
    monkeypatch.setattr(lease, "EXPIRE_SECONDS", 0.3)
    last = await put_in(nats_bus, with_alarms())
    fused = FusedBus(nats_bus)
    fused.arm(subject, error, is_stored=is_stored, skip=skip)
    first: Processor[PartitionState] = Processor(fused, 0, AnomalyPipeline(), unpack)
    stop = asyncio.Event()
    dying = asyncio.create_task(first.run(stop))
    async with asyncio.timeout(20):
        await fused.blown.wait()
    if error is DiedError:
        with pytest.raises(DiedError):
            await dying
        async with processing(nats_bus):
            commits = await worked_in(nats_bus, last)
    else:
        commits = await worked_in(nats_bus, last)
        stop.set()
        await dying
    check_ranges(commits)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def test_every_alarm_has_a_capsule_that_replays_even_of_a_condition_that_names_no_model(nats_bus: Bus) -> None:
    last = await put_in(nats_bus, with_alarms()[:18])
    async with processing(nats_bus):
        await worked_in(nats_bus, last)
    last = await put_in(nats_bus, with_alarms()[18:])
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    raised = [alarm for outcome in all_of(commits) for alarm in outcome.alarms if alarm.event == "raise"]
    assert {alarm.condition for alarm in raised} == {"score", "limit:flow:H"}
    for alarm in raised:
        capsule = await open_capsule(nats_bus, Blobs(nats_bus), alarm.alarm_id)
        assert replay(capsule, AnomalyPipeline(), models_in(capsule.models, unpack)).match is Match.EXACT, alarm


async def test_two_owners_at_once_conclude_as_one(nats_bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    async def always(_self: Lease) -> bool:
        return True

    monkeypatch.setattr(Lease, "hold", always)
    monkeypatch.setattr(since, "CHECKPOINT_MESSAGES", 6)
    monkeypatch.setattr(processor_room, "MOST_MESSAGES", 4)
    async with processing(nats_bus), processing(nats_bus), processing(nats_bus):
        last = await put_in(nats_bus, with_alarms(120))
        commits = await worked_in(nats_bus, last)
    check_ranges(commits)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def test_the_second_of_two_workers_waits_and_takes_over(nats_bus: Bus) -> None:
    last = await put_in(nats_bus, with_alarms())
    async with processing(nats_bus) as first:
        await worked_in(nats_bus, last)
        async with processing(nats_bus) as second:
            assert (first.is_owner, second.is_owner) == (True, False)
    assert not first.is_owner
    last = await put_in(nats_bus, usual(range(40, 60)))
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def test_a_message_that_cannot_be_read_is_counted_and_stops_nothing(nats_bus: Bus) -> None:
    before = REGISTRY.get_sample_value("iea_readings_unreadable_total") or 0
    await put_in(nats_bus, with_alarms()[:10])
    for garbage in (b"", b"\x00", b"\x01\xc1", b"\x01{not msgpack}", b"\x01" + b"\x91" * 5_000):
        await nats_bus.publish(readings_subject(0), garbage)
    last = await put_in(nats_bus, with_alarms()[10:])
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    assert concluded(all_of(commits))["accepted"] == 80
    assert REGISTRY.get_sample_value("iea_readings_unreadable_total") == before + 5


async def test_a_model_that_is_not_there_is_refused_and_the_asset_goes_on(nats_bus: Bus) -> None:
    last = await put_in(nats_bus, with_alarms())
    await Blobs(nats_bus).delete(ACTIVATED.digest)
    async with processing(nats_bus):
        commits = await worked_in(nats_bus, last)
    assert "model-refused" in [notice.kind for outcome in all_of(commits) for notice in outcome.notices]
    assert concluded(all_of(commits))["used"] > 70


async def test_an_asset_whose_model_was_lost_goes_on_without_and_says_so(nats_bus: Bus) -> None:
    last = await put_in(nats_bus, with_alarms())
    async with processing(nats_bus):
        await worked_in(nats_bus, last)
    await Blobs(nats_bus).delete(ACTIVATED.digest)
    last = await put_in(nats_bus, usual(range(40, 60)))
    await Blobs(nats_bus).delete(ACTIVATED.digest)
    async with processing(nats_bus):
        outcomes = all_of(await worked_in(nats_bus, last))
    assert "model-lost" in [notice.kind for outcome in outcomes for notice in outcome.notices]
    assert outcomes[-1].rows is not None
    assert outcomes[-1].rows.model == ""


async def test_a_partition_whose_stored_state_is_lost_waits_until_it_is_restored(nats_bus: Bus) -> None:
    last = await put_in(nats_bus, with_alarms())
    async with processing(nats_bus):
        await worked_in(nats_bus, last)
    found = await read_manifest(nats_bus, 0)
    assert found is not None
    blobs, names = Blobs(nats_bus), found[0].assets
    kept = await blobs.get(names)
    await blobs.delete(names)
    last = await put_in(nats_bus, usual(range(40, 60)))
    async with processing(nats_bus) as waiting, processing(nats_bus, 1) as other:
        await eventually(lambda: _is_owner(other))
        assert not waiting.is_owner
        await blobs.put(kept)
        commits = await worked_in(nats_bus, last)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def _is_owner(processor: Processor[PartitionState]) -> bool:
    return processor.is_owner


class NarrowBus(Bus):
    """A connection to a server that takes small messages only."""

    most_bytes = 3_000

    @property
    def max_payload_bytes(self) -> int:
        return self.most_bytes


async def test_outcomes_too_large_for_one_message_are_cut_finer(nats_bus: Bus) -> None:
    last = await put_in(nats_bus, [with_alarms()[0], *usual(range(100))])
    async with processing(NarrowBus(nats_bus._client)):
        commits = await worked_in(nats_bus, last)
    check_ranges(commits)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def test_outcomes_of_one_message_that_are_too_large_lose_rows_and_say_so(nats_bus: Bus) -> None:
    many = [row(second, 20.0, 3.0) for second in range(200)]
    await put_in(nats_bus, [with_alarms()[0]])
    last = await nats_bus.publish(readings_subject(0), encode_items(many))
    async with processing(NarrowBus(nats_bus._client)):
        commits = await worked_in(nats_bus, last)
    found, whole = concluded(all_of(commits)), await expected(nats_bus)
    assert [notice.kind for notice in found["notices"]] == ["rows-dropped"]
    assert (found["alarms"], found["accepted"], found["used"]) == (whole["alarms"], whole["accepted"], whole["used"])
    assert found["alarms"]
    assert not found["value"]


async def test_outcomes_that_find_no_room_wait_for_it(nats_bus: Bus) -> None:
    config = (await nats_bus.stream_info(OUTCOMES))["config"]
    await nats_bus.ensure_stream({**config, "max_bytes": 2_000})
    last = await put_in(nats_bus, with_alarms())
    async with processing(nats_bus) as processor:
        await eventually(lambda: _has_failed(processor))
    assert not await commits_of(nats_bus)  # and the stop was heeded meanwhile
    async with processing(nats_bus) as processor:
        await eventually(lambda: _has_failed(processor))
        await nats_bus.ensure_stream(config)
        commits = await worked_in(nats_bus, last)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def _has_failed(processor: Processor[PartitionState]) -> bool:
    return processor._failures > 0


async def test_the_bus_may_die_and_come_back(nats_bus: Bus, bus_server: BusServer) -> None:
    await put_in(nats_bus, with_alarms())
    async with processing(nats_bus):
        bus_server.kill()
        await bus_server.start()
        await eventually(lambda: _is_back(nats_bus))
        last = await put_in(nats_bus, usual(range(40, 60)))
        commits = await worked_in(nats_bus, last)
    check_ranges(commits)
    assert concluded(all_of(commits)) == await expected(nats_bus)


async def _is_back(bus: Bus) -> bool:
    return bus.is_connected


async def test_models_out_of_use_are_let_go(nats_bus: Bus) -> None:
    loaded: list[Detector] = []

    def load(data: bytes) -> Detector:
        loaded.append(unpack(data))
        return loaded[-1]

    last = await put_in(nats_bus, with_alarms())
    stop = asyncio.Event()
    processor: Processor[PartitionState] = Processor(nats_bus, 0, AnomalyPipeline(), load)
    task = asyncio.create_task(processor.run(stop))
    await worked_in(nats_bus, last)
    stop.set()
    await task
    assert set(processor._shelf.loaded) == {ACTIVATED.digest}
    assert processor._shelf.bytes_of({ACTIVATED.digest, "sha256:none"}) == {ACTIVATED.digest: MODEL}
    processor._shelf.keep_only(set())
    assert not processor._shelf.loaded
    assert len(loaded) == 1


async def test_a_caught_up_owner_names_the_sources_that_cells_wait_for(nats_bus: Bus) -> None:
    async with processing(nats_bus) as processor:
        assert processor.awaited() == set()
        await put_in(nats_bus, [row(0, 10.0, 3.0), row(0, 10.0, 3.0, source="dcs")])
        await eventually(lambda: _awaits(processor, 2))
        assert processor.awaited() == {(KEY.tenant, KEY.asset, "plc"), (KEY.tenant, KEY.asset, "dcs")}
    assert processor.awaited() == set()
    async with processing(nats_bus) as again:
        await eventually(lambda: _awaits(again, 2))


async def _awaits(processor: Processor[PartitionState], count: int) -> bool:
    return len(processor.awaited()) == count


class MistakenPipeline(AnomalyPipeline):
    """Fails on a flow of 666, wherever it stands."""

    def step(
        self, state: PartitionState, envelopes: Sequence[Envelope], models: Mapping[str, Detector]
    ) -> tuple[PartitionState, tuple[AssetOutcome, ...]]:
        state, outcomes = super().step(state, envelopes, models)
        for envelope in envelopes:
            for item in envelope.items:
                if isinstance(item, Batch) and 666.0 in item.values():
                    raise ZeroDivisionError("a mistake")
        return state, outcomes


async def test_a_message_that_the_pipeline_fails_on_is_set_aside_and_the_rest_goes_on(
    nats_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(since, "CHECKPOINT_MESSAGES", 15)
    items = with_alarms()
    poisoned = [*items[:12], row(100, 666.0, 3.0), *items[12:30], row(101, 666.0, 3.0), row(102, 666.0, 3.0)]
    last = await put_in(nats_bus, [*poisoned, *items[30:]])
    for _ in range(2):  # and a new worker goes on behind it
        async with processing(nats_bus, pipeline=MistakenPipeline()):
            outcomes = all_of(await worked_in(nats_bus, last))
        last = await put_in(nats_bus, usual(range(40, 50)))
    reasons = [record.reason for outcome in outcomes for _, record in outcome.set_aside]
    assert reasons == ["working it in failed: ZeroDivisionError: a mistake"] * 3
    found = concluded(outcomes)
    assert found["accepted"] == 2 * (50 + 3)
    assert found["used"] == 2 * 49  # the last row waits for its cell to close
    assert 666.0 not in np.frombuffer(found["value"])
    assert REGISTRY.get_sample_value("iea_readings_quarantined_total", {}) == 3


async def test_a_pipeline_that_fails_on_everything_is_given_up(nats_bus: Bus) -> None:
    class Broken(AnomalyPipeline):
        def step(self, *_: object) -> tuple[PartitionState, tuple[AssetOutcome, ...]]:  # type: ignore[override]
            raise ZeroDivisionError

    last = await put_in(nats_bus, usual(range(3)))
    processor: Processor[PartitionState] = Processor(nats_bus, 0, Broken(), unpack)
    with pytest.raises(FatalError, match=f"message {last - 2} cannot be worked in even when set aside"):
        async with asyncio.timeout(20):
            await processor.run(asyncio.Event())
