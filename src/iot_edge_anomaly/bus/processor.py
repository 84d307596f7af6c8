"""The exactly-once shell around the pipeline: fetch, step once, commit outcomes and input range as one message.

| in state | on | do | next |
|---|---|---|---|
| standby | the lease is free | take it | recovering |
| recovering | checkpoint read, input replayed up to the last commit | | owning |
| owning | input | step, publish the commit with the fence | owning |
| owning | nothing to say | remember the position only | owning |
| owning | publish not answered | read the last commit: ours, the old one, or another's | owning / fenced |
| owning | commit too large | recover, then take fewer messages a step; of a single one, drop the rows | recovering |
| owning | lease lost, or fenced | throw the state away | standby |
| any | the bus is away | keep trying; one line when it starts, one when it ends | same |
| owning | stop | checkpoint, give the lease up | stopped |

Capsules of the alarms since the last checkpoint are sealed before the next one is written: so after a crash they are
found again by replaying the same input.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

import msgspec
import structlog

from iot_edge_anomaly.bus.answers import FencedError, Message
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import FORMAT as CAPSULE_FORMAT
from iot_edge_anomaly.bus.capsule import Capsule, inputs_of, seal
from iot_edge_anomaly.bus.checkpoint import Checkpoint, load_states, read_checkpoint, write_checkpoint
from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope, encode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.follower import Follower
from iot_edge_anomaly.bus.lease import Lease
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.component.pipeline import Pipeline, State
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, Envelope, ModelActivated
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AssetOutcome, Commit, Notice

log = structlog.get_logger(__name__)

MOST_MESSAGES = 256
WAIT_SECONDS = 0.25
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_AFTER_ALARM_SECONDS = 1.0
CHECKPOINT_MESSAGES = 5_000
CHECKPOINT_BYTES = 32 << 20
PAUSE_SECONDS = 0.2

LARGEST_ROWS_BYTES = 1 << 20

LoadModel = Callable[[bytes], Detector]


@dataclass
class _Since:
    """What happened since the last checkpoint."""

    envelopes: list[Envelope] = field(default_factory=list)
    alarms: list[tuple[AssetKey, AlarmEvent, int]] = field(default_factory=list)
    alarm_at: float = 0.0
    began_at: float = 0.0
    size: int = 0


class Processor(Generic[State]):
    """Owns one partition for as long as its lease and its fence hold."""

    def __init__(
        self,
        bus: Bus,
        partition: int,
        pipeline: Pipeline[State],
        load_model: LoadModel,
        observe: Callable[[Sequence[Envelope]], None] = lambda _: None,
    ) -> None:
        self._bus = bus
        self._blobs = Blobs(bus)
        self._partition = partition
        self._pipeline = pipeline
        self._load_model = load_model
        self._observe = observe
        self._models: dict[str, Detector] = {}
        self._model_bytes: dict[str, bytes] = {}
        self._lease = Lease(bus, partition)
        self._most_messages = MOST_MESSAGES
        self._checkpoint = Checkpoint()
        self._state = pipeline.new_state()
        self._since = _Since()
        self._position = 0
        self._fence = 0
        self.is_owner = False

    async def run(self, stop: asyncio.Event) -> None:
        """Own the partition whenever it can be had, until told to stop. Raises FatalError only."""
        is_down = False
        while not stop.is_set():
            try:
                if await self._lease.hold():
                    await self._own(stop)
                else:
                    await _wait_for(stop, PAUSE_SECONDS)
                if is_down:
                    is_down = False
                    log.info("partition goes on", partition=self._partition)
            except FencedError as error:
                log.warning("fenced: another worker owns the partition", partition=self._partition, error=str(error))
            except UnavailableError as error:
                if not is_down:
                    is_down = True
                    log.warning("partition waits for the bus", partition=self._partition, error=str(error))
                await _wait_for(stop, PAUSE_SECONDS)
            finally:
                self.is_owner = False

    async def _own(self, stop: asyncio.Event) -> None:
        await self._recover()
        self.is_owner = True
        follower = self._bus.follow(READINGS, readings_subject(self._partition), self._position + 1)
        try:
            while not stop.is_set():
                if not await self._lease.hold():
                    return
                messages = await follower.fetch(WAIT_SECONDS, self._most_messages)
                if messages:
                    try:
                        await self._work(messages)
                    except RejectedError as error:
                        self._most_messages = max(self._most_messages // 4, 1)
                        log.warning(
                            "commit refused; taking fewer messages", error=str(error), at_most=self._most_messages
                        )
                        return
                if self._checkpoint_is_due():
                    await self._write_checkpoint()
            await self._write_checkpoint()
            await self._lease.release()
        finally:
            await _quietly(follower)

    async def _recover(self) -> None:
        """Read the last checkpoint, then work through the input since, up to the last commit, without committing."""
        self._checkpoint = await read_checkpoint(self._bus, self._blobs, self._partition)
        last = await self._bus.last(OUTCOMES, outcomes_subject(self._partition))
        self._fence = 0 if last is None else last.seq
        committed = 0 if last is None else decode_commit(last.data).last_seq
        states = await load_states(self._blobs, self._checkpoint.assets)
        shared = self._checkpoint.shared
        self._state = self._pipeline.new_state() if shared is None else self._pipeline.load(shared, states)
        self._position, self._since = self._checkpoint.position, _Since()
        await self._fetch_models(self._pipeline.models_of(self._state))
        while self._position < committed:
            messages = await self._bus.read(READINGS, readings_subject(self._partition), self._position + 1)
            messages = [message for message in messages if message.seq <= committed]
            if not messages:
                break
            envelopes = self._decode(messages)
            await self._fetch_models(_activated(envelopes))
            self._remember(envelopes, self._step(envelopes))
        log.info("partition recovered", partition=self._partition, position=self._position, committed=committed)

    async def _work(self, messages: list[Message]) -> None:
        envelopes = self._decode(messages)
        self._observe(envelopes)
        await self._fetch_models(_activated(envelopes))
        outcomes = self._step(envelopes)
        if outcomes:
            if self._most_messages == 1:
                outcomes = tuple(map(_without_large_rows, outcomes))
            commit = Commit(self._partition, envelopes[0].seq, envelopes[-1].seq, _now_ns(envelopes), outcomes)
            await self._commit(encode_commit(commit))
        self._remember(envelopes, outcomes)

    def _decode(self, messages: Sequence[Message]) -> list[Envelope]:
        """Read messages; one that cannot be read is logged and stands in its place, empty: it stays in the stream."""
        envelopes = []
        for message in messages:
            try:
                envelopes.append(decode_envelope(message.data, message.seq))
            except RejectedError as error:
                log.error("a stored message cannot be read; set aside", seq=message.seq, error=str(error))
                envelopes.append(Envelope((), message.seq))
        return envelopes

    def _step(self, envelopes: Sequence[Envelope]) -> tuple[AssetOutcome, ...]:
        self._state, outcomes = self._pipeline.step(self._state, envelopes, self._models)
        return outcomes

    async def _commit(self, data: bytes) -> None:
        """Publish under the fence; where the answer is lost, find out whether it was stored."""
        subject = outcomes_subject(self._partition)
        while True:
            try:
                self._fence = await self._bus.publish(
                    subject, data, expected_last_subject_seq=self._fence, expected_stream=OUTCOMES
                )
            except UnavailableError:
                last = await self._until_answered(lambda: self._bus.last(OUTCOMES, subject))
                if last is not None and last.seq > self._fence:
                    if last.data != data:
                        raise FencedError("another worker committed meanwhile") from None
                    self._fence = last.seq
                    return
            else:
                return

    async def _until_answered(self, ask: Callable[[], Awaitable[Message | None]]) -> Message | None:
        while True:
            try:
                return await ask()
            except UnavailableError:
                await asyncio.sleep(PAUSE_SECONDS)

    def _remember(self, envelopes: Sequence[Envelope], outcomes: Sequence[AssetOutcome]) -> None:
        since, now = self._since, time.monotonic()
        self._position = envelopes[-1].seq
        since.began_at = since.began_at or now
        since.envelopes += envelopes
        since.size += sum(map(_size, envelopes))
        for outcome in outcomes:
            for alarm in outcome.alarms:
                if alarm.event == "raise":
                    since.alarms.append((outcome.key, alarm, self._position))
                    since.alarm_at = since.alarm_at or now

    def _checkpoint_is_due(self) -> bool:
        since, now = self._since, time.monotonic()
        return bool(since.envelopes) and (
            now - since.began_at > CHECKPOINT_SECONDS
            or (since.alarm_at > 0 and now - since.alarm_at > CHECKPOINT_AFTER_ALARM_SECONDS)
            or len(since.envelopes) > CHECKPOINT_MESSAGES
            or since.size > CHECKPOINT_BYTES
        )

    async def _write_checkpoint(self) -> None:
        if not self._since.envelopes:
            return
        for key, alarm, last_seq in self._since.alarms:
            await self._seal(key, alarm, last_seq)
        self._checkpoint = await write_checkpoint(
            self._bus,
            self._blobs,
            self._partition,
            self._checkpoint,
            self._position,
            self._pipeline.dump(self._state),
            self._pipeline.needed_from(self._state),
            self._pipeline.models_of(self._state),
        )
        self._since, self._most_messages = _Since(), MOST_MESSAGES

    async def _seal(self, key: AssetKey, alarm: AlarmEvent, last_seq: int) -> None:
        digest = self._checkpoint.assets.get(key)
        inputs = inputs_of(key, self._since.envelopes, last_seq)
        named = {alarm.model} if alarm.model else set()
        named |= _activated([decode_envelope(data, seq) for seq, data in inputs])
        capsule = Capsule(
            CAPSULE_FORMAT,
            self._partition,
            key.tenant,
            key.asset,
            self._checkpoint.shared,
            await self._blobs.get(digest) if digest else None,
            inputs,
            {name: self._model_bytes[name] for name in sorted(named) if name in self._model_bytes},
            alarm,
        )
        await seal(self._bus, self._blobs, capsule)

    async def _fetch_models(self, digests: set[str]) -> None:
        """Have every model at hand; one that is missing or damaged is left out, and the step refuses it."""
        for digest in digests - self._models.keys():
            try:
                data = await self._blobs.get(digest)
                self._models[digest] = self._load_model(data)
                self._model_bytes[digest] = data
            except RejectedError as error:
                log.error("model cannot be used", digest=digest, error=str(error))


def _without_large_rows(outcome: AssetOutcome) -> AssetOutcome:
    """Leave out rows that no message can hold; the alarms and counts that came of them stay."""
    if outcome.rows is None or len(outcome.rows.value) <= LARGEST_ROWS_BYTES:
        return outcome
    text = f"{len(outcome.rows.value)} bytes of rows in one step are too many to keep; alarms and counts are kept"
    notice = Notice("rows-dropped", "", text, int(outcome.rows.times()[-1]))
    return msgspec.structs.replace(outcome, rows=None, notices=(*outcome.notices, notice))


def _size(envelope: Envelope) -> int:
    return sum(3 * len(item.value) if isinstance(item, Batch) else 128 for item in envelope.items)


def _activated(envelopes: Sequence[Envelope]) -> set[str]:
    return {item.digest for envelope in envelopes for item in envelope.items if isinstance(item, ModelActivated)}


def _now_ns(envelopes: Sequence[Envelope]) -> int:
    """Return the receipt time of the last message that has one: taken from the input, so that it replays."""
    for envelope in reversed(envelopes):
        for item in reversed(envelope.items):
            at_ns = getattr(item, "received_ns", None) or getattr(item, "now_ns", None) or getattr(item, "at_ns", None)
            if at_ns:
                return int(at_ns)
    return 0


async def _wait_for(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _quietly(follower: Follower) -> None:
    with contextlib.suppress(UnavailableError):
        await follower.close()


def models_in(models: Mapping[str, bytes], load_model: LoadModel) -> dict[str, Detector]:
    """Load models that a capsule carries."""
    return {digest: load_model(data) for digest, data in models.items()}
