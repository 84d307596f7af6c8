"""The exactly-once shell around the pipeline: fetch, step once, commit outcomes and input range as one message.

| in state | on | do | next |
|---|---|---|---|
| standby | the lease is free | take it | recovering |
| recovering | checkpoint read, input replayed up to the last commit | | owning |
| owning | input | step, publish the commit with the fence | owning |
| owning | nothing to say | remember the position only | owning |
| owning | a checkpoint is due | store it beside the work, one at a time | owning |
| owning | publish not answered, or refused for lack of room | throw the state away | standby |
| owning | several messages are too much at once | throw the state away, then take fewer a step | standby |
| owning | the outcomes of one message are too large | leave out rows, then more (`bus/trim.py`); commit | owning |
| owning, recovering | the pipeline fails | find the message, set it aside (`bus/quarantine.py`) | standby |
| owning | lease lost, or fenced | throw the state away | standby |
| owning | stop | wait for it, checkpoint, give the lease up | stopped |
| any | the bus is away, or what is stored cannot be read | say so once, pause, try again | standby |

The state in memory is thrown away whenever there is doubt: what is stored decides, as after a crash. A commit whose
answer was lost is found by recovering. Capsules are sealed before the checkpoint that covers their alarms is written.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, NamedTuple

import structlog

from iot_edge_anomaly.bus.answers import FencedError, Message
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import Checkpoint, load_states, read_checkpoint, write_checkpoint
from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope, encode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.follower import Follower
from iot_edge_anomaly.bus.lease import Lease
from iot_edge_anomaly.bus.models import LoadModel, ModelShelf
from iot_edge_anomaly.bus.quarantine import Quarantine, StepFailedError
from iot_edge_anomaly.bus.sealing import seal_alarms
from iot_edge_anomaly.bus.since import Since, activated
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.bus.trim import trimmed
from iot_edge_anomaly.component.pipeline import Dump, Pipeline, SourceName, State
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, OverloadError, RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.outcomes import DRIFT, AssetOutcome, Commit
from iot_edge_anomaly.observability.signals import Level, Signal

log = structlog.get_logger(__name__)

UNREADABLE = Signal("readings_unreadable", "a stored message cannot be read; it stays in the stream", Level.ERROR)
DRIFTS = Signal("drifts", "an asset moves away from what its model learned from", Level.WARNING, ("what",))

MOST_MESSAGES = 256
WAIT_SECONDS = 0.25
PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0


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
        self._observe = observe
        self._shelf = ModelShelf(self._blobs, load_model)
        self._lease = Lease(bus, partition)
        self._quarantine = Quarantine()
        self._most_messages = MOST_MESSAGES
        self._checkpoint = Checkpoint()
        self._state = pipeline.new_state()
        self._since = Since()
        self._writing: asyncio.Future[None]
        self._position = 0
        self._fence = 0
        self._failures = 0
        self.is_owner = False
        self.is_behind = True

    def awaited(self) -> set[SourceName]:
        """Return the sources that have sent and that grid cells wait for; of an owner that has caught up only."""
        return self._pipeline.awaited(self._state) if self.is_owner and not self.is_behind else set()

    async def run(self, stop: asyncio.Event) -> None:
        """Own the partition whenever it can be had, until told to stop. Raises FatalError only."""
        while not stop.is_set():
            try:
                if await self._lease.hold():
                    await self._own(stop)
                else:
                    await _wait_for(stop, PAUSE_SECONDS)
            except StepFailedError as error:
                self._most_messages = 1
                log.error("the pipeline failed; recovering", partition=self._partition, error=str(error))
            except FencedError as error:
                log.warning("fenced: another worker owns the partition", partition=self._partition, error=str(error))
            except UnavailableError as error:
                await self._pause(stop, "partition waits for the bus", error)
            except RejectedError as error:
                await self._pause(stop, "what is stored of the partition cannot be used; restore it", error)
            finally:
                self.is_owner, self.is_behind = False, True

    async def _pause(self, stop: asyncio.Event, text: str, error: Exception) -> None:
        if not self._failures:
            log.warning(text, partition=self._partition, error=str(error))
        await _wait_for(stop, min(PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS))
        self._failures += 1

    async def _own(self, stop: asyncio.Event) -> None:
        await self._recover()
        self.is_owner = True
        async with self._input() as follower, self._checkpoints():
            while not stop.is_set():
                if not await self._lease.hold():
                    return
                messages = await follower.fetch(WAIT_SECONDS, self._most_messages)
                if messages and not await self._work(messages):
                    return
                self._failures, self.is_behind = 0, len(messages) == self._most_messages
                if self._writing.done():
                    await self._writing
                    if self._since.is_due(time.monotonic()):
                        self._writing = asyncio.create_task(self._write(self._snapshot()))
            await self._writing
            if self._since.envelopes:
                await self._write(self._snapshot())
            await self._lease.release()

    @contextlib.asynccontextmanager
    async def _input(self) -> AsyncIterator[Follower]:
        follower = self._bus.follow(READINGS, readings_subject(self._partition), self._position + 1)
        try:
            yield follower
        finally:
            with contextlib.suppress(UnavailableError):
                await follower.close()

    @contextlib.asynccontextmanager
    async def _checkpoints(self) -> AsyncIterator[None]:
        """Let go of a checkpoint under way when the partition is not owned any more: the one before it stands."""
        self._writing = asyncio.get_running_loop().create_future()
        self._writing.set_result(None)
        try:
            yield
        finally:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _recover(self) -> None:
        """Read the last checkpoint, then work through the input since, up to the last commit, without committing."""
        self._checkpoint = await read_checkpoint(self._bus, self._blobs, self._partition)
        last = await self._bus.last(OUTCOMES, outcomes_subject(self._partition))
        self._fence = 0 if last is None else last.seq
        committed = 0 if last is None else decode_commit(last.data).last_seq
        states = await load_states(self._blobs, self._checkpoint.assets)
        shared = self._checkpoint.shared
        self._state = self._pipeline.new_state() if shared is None else self._pipeline.load(shared, states)
        self._position, self._since = self._checkpoint.position, Since()
        await self._shelf.fetch(self._pipeline.models_of(self._state))
        while self._position < committed:
            messages = await self._bus.read(
                READINGS, readings_subject(self._partition), self._position + 1, max_messages=self._most_messages
            )
            messages = [message for message in messages if message.seq <= committed]
            if not messages:
                break
            await self._step(messages)
        log.info("partition recovered", partition=self._partition, position=self._position, committed=committed)

    async def _work(self, messages: Sequence[Message]) -> bool:
        """Step and commit; False if the commit would be too large, and the state has gone on without it."""
        envelopes, outcomes = await self._step(messages)
        self._observe(envelopes)
        if not outcomes:
            return True
        commit = Commit(self._partition, envelopes[0].seq, envelopes[-1].seq, _now_ns(envelopes), outcomes)
        data, most_bytes = encode_commit(commit), self._bus.max_payload_bytes
        if len(data) > most_bytes and len(messages) > 1:
            self._most_messages = max(len(messages) // 4, 1)
            log.warning("a commit would be too large; taking fewer messages", bytes=len(data), most_bytes=most_bytes)
            return False
        if len(data) > most_bytes:
            data = trimmed(commit, most_bytes)
        self._fence = await self._bus.publish(
            outcomes_subject(self._partition),
            data,
            expected_last_subject_seq=self._fence,
            expected_stream=OUTCOMES,
        )
        _tell_drifts(outcomes)
        return True

    async def _step(self, messages: Sequence[Message]) -> tuple[list[Envelope], tuple[AssetOutcome, ...]]:
        envelopes = [self._quarantine.admit(_decoded(message)) for message in messages]
        await self._shelf.fetch(activated(envelopes))
        try:
            self._state, outcomes = self._pipeline.step(self._state, envelopes, self._shelf.loaded)
        except (OverloadError, MemoryError) as error:
            if len(envelopes) == 1:
                raise
            raise StepFailedError(f"too much at once: {error}") from error
        except IotEdgeAnomalyError:
            raise
        except Exception as error:
            raise self._quarantine.blame(envelopes, error) from error
        self._since.remember(envelopes, sum(len(m.data) for m in messages), outcomes, time.monotonic())
        self._position = envelopes[-1].seq
        return envelopes, outcomes

    def _snapshot(self) -> "_Snapshot":
        """Return what a checkpoint of this moment says, and begin to gather for the next."""
        state, since = self._state, self._since
        self._since, self._most_messages = Since(), MOST_MESSAGES
        dump, needed_from = self._pipeline.dump(state), self._pipeline.needed_from(state)
        return _Snapshot(since, self._position, dump, needed_from, self._pipeline.models_of(state))

    async def _write(self, now: "_Snapshot") -> None:
        """Store a checkpoint, while the partition is worked on: the input that came since is its successor's."""
        await seal_alarms(self._bus, self._partition, self._pipeline, self._shelf, self._checkpoint, now.since)
        self._checkpoint = await write_checkpoint(
            self._bus,
            self._blobs,
            self._partition,
            self._checkpoint,
            now.position,
            now.dump,
            now.needed_from,
            now.in_use,
        )
        self._shelf.keep_only(now.in_use | self._pipeline.models_of(self._state) | activated(self._since.envelopes))


class _Snapshot(NamedTuple):
    """A checkpoint that is to be stored, and what happened since the one before it."""

    since: Since
    position: int
    dump: Dump
    needed_from: int | None
    in_use: set[str]


def _decoded(message: Message) -> Envelope:
    """Read a message; of one that cannot be read nothing comes, and its place stays."""
    try:
        return decode_envelope(message.data, message.seq)
    except RejectedError as error:
        UNREADABLE.emit(seq=message.seq, subject=message.subject, error=str(error))
        return Envelope((), message.seq)


def _tell_drifts(outcomes: Sequence[AssetOutcome]) -> None:
    """Count what has been committed, so that a replay counts nothing twice."""
    for outcome in outcomes:
        for notice in outcome.notices:
            if notice.kind == DRIFT:
                DRIFTS.emit(what=notice.note, asset=str(outcome.key), text=notice.text)


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
