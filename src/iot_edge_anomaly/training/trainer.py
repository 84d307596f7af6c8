"""The trainer: answers requests for a model. It has the input that the request names fitted outside the stream's way,
stores the model and says so in the stream.

| at | on | do | then |
|---|---|---|---|
| start | | read up to which commit all requests are answered | following |
| following | a commit that cannot be read | count it; the asset asks again in time | following |
| following | a request | note that all before is answered, fit | answering |
| answering | the asset rests: its last fit ran out of time or memory | say so, at once | following |
| answering | a model, or the reason why there is none | store it, then say so in the stream | following |
| any | the bus is away | keep trying; one line when it starts, one when it ends | same |

Killed at any point it starts over behind what it noted, and repeats one answer at most: fitting is deterministic, a
blob is written under its own digest, and activating a model that is in use changes nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple, TypeVar

import structlog

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.blobs import Blobs, digest_of
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.follower import Follower
from iot_edge_anomaly.bus.intake import GroupCommit
from iot_edge_anomaly.bus.streams import (
    ASSET_RULES,
    CONFIGURATION,
    LEDGER,
    OUTCOMES,
    READINGS,
    outcomes_subject,
    readings_subject,
)
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import FitFailed, ModelActivated
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import FitRequest
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.pipeline.settings import AssetRule, unpack_rules
from iot_edge_anomaly.registry.artefact import read_manifest
from iot_edge_anomaly.training.apart import Bounds, ExhaustedError, Task, fit_apart
from iot_edge_anomaly.training.rests import Rests

log = structlog.get_logger(__name__)

ACTIVATED = Signal("models_activated", "model fitted and activated", Level.INFO)
REFUSED = Signal("fits_refused", "no model could be fitted; the asset goes on learning", Level.WARNING)
PASSED_OVER = Signal("trainer_passed_over", "a stored commit cannot be read; what it asks for waits", Level.WARNING)

WAIT_SECONDS = 0.5
PAUSE_SECONDS = 0.5
NOTE_EVERY = 1_000
"""Commits that ask for nothing are read again after a restart; no more than so many."""

_Result = TypeVar("_Result")


class PurgedError(RejectedError):
    """The store does not hold all of the range any more: no fault of the rows, and more of them would not help."""


class _Request(NamedTuple):
    seq: int
    key: AssetKey
    request: FitRequest


async def train(bus: Bus, intake: GroupCommit, partitions: int, clock: Clock, bounds: Bounds | None = None) -> None:
    """Answer requests of all partitions until cancelled, one fit at a time."""
    turn = asyncio.Lock()
    async with asyncio.TaskGroup() as tasks:
        for partition in range(partitions):
            tasks.create_task(_Partition(bus, intake, partition, clock, bounds or Bounds(), turn).run())


class _Partition:
    """Answers the requests of one partition."""

    def __init__(
        self, bus: Bus, intake: GroupCommit, partition: int, clock: Clock, bounds: Bounds, turn: asyncio.Lock
    ) -> None:
        self._bus = bus
        self._blobs = Blobs(bus)
        self._intake = intake
        self._partition = partition
        self._clock = clock
        self._bounds = bounds
        self._turn = turn
        self._rests = Rests(clock, bounds.seconds)
        self._noted = 0

    async def run(self) -> None:
        """Follow the commits until cancelled."""
        self._noted = await self._insist(self._recall)
        follower = self._bus.follow(OUTCOMES, outcomes_subject(self._partition), self._noted + 1)
        try:
            while True:
                requests, position = await self._insist(lambda: _next(follower))
                for request in requests:
                    await self._note(request.seq - 1)
                    async with self._turn:
                        await self._answer(request.key, request.request)
                if requests or position - self._noted > NOTE_EVERY:
                    await self._note(position)
        finally:
            await follower.close()

    async def _answer(self, key: AssetKey, request: FitRequest) -> None:
        try:
            model = await self._insist(lambda: self._fit(key, request))
        except (RejectedError, ConfigError) as error:
            wants_more = not isinstance(error, PurgedError | ExhaustedError)
            failed = FitFailed(key.tenant, key.asset, str(error), self._clock.now_ns(), wants_more)
            await self._insist(lambda: self._intake.accept([failed]))
            REFUSED.emit(asset=str(key), reason=failed.reason)
        else:
            digest = digest_of(model)
            note = read_manifest(model).facts.remarks
            activated = ModelActivated(key.tenant, key.asset, digest, self._clock.now_ns(), note=note)
            await self._insist(lambda: self._blobs.put_named([model], lambda: self._intake.accept([activated])))
            ACTIVATED.emit(asset=str(key), digest=digest, why=request.why)

    async def _fit(self, key: AssetKey, request: FitRequest) -> bytes:
        self._rests.ensure_over(key)
        task = Task(key, await self._rules(), request)
        try:
            async with aclosing(self._stored(request)) as messages:
                model = await fit_apart(task, messages, self._bounds)
        except ExhaustedError:
            self._rests.begin(key)
            raise
        self._rests.forget(key)
        return model

    async def _stored(self, request: FitRequest) -> AsyncGenerator[Message, None]:
        """Yield the messages of the range asked for. Raises PurgedError when it is not whole any more.

        The store is purged from its oldest end: while the first message is still there in the end, all were.
        """
        subject, position = readings_subject(self._partition), request.first_seq
        while position <= request.last_seq:
            messages = await self._bus.read(READINGS, subject, position)
            if not messages:
                break
            for message in messages:
                if message.seq <= request.last_seq:
                    yield message
            position = messages[-1].seq + 1
        first = await self._bus.first(READINGS, subject, request.first_seq)
        if first is None or first.seq > request.first_seq:
            raise PurgedError("readings to learn from were purged before the fit: the store is too small to keep them")

    async def _rules(self) -> tuple[AssetRule, ...]:
        known = await self._bus.get_key(CONFIGURATION, ASSET_RULES)
        return () if known is None else unpack_rules(known[0])

    async def _recall(self) -> int:
        found = await self._bus.get_key(LEDGER, self._ledger_key)
        return 0 if found is None else int(found[0])

    async def _note(self, position: int) -> None:
        """Remember that all requests up to this commit are answered."""
        if position > self._noted:
            await self._insist(lambda: self._bus.put_key(LEDGER, self._ledger_key, str(position).encode()))
            self._noted = position

    @property
    def _ledger_key(self) -> str:
        return f"trainer.{self._partition}"

    async def _insist(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        """Try until the bus answers; what was done before is not done again."""
        is_waiting = False
        while True:
            try:
                result = await attempt()
            except UnavailableError as error:
                if not is_waiting:
                    log.warning("the trainer waits for the bus", partition=self._partition, error=str(error))
                is_waiting = True
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                if is_waiting:
                    log.info("the trainer goes on", partition=self._partition)
                return result


async def _next(follower: Follower) -> tuple[list[_Request], int]:
    """Wait for commits; return what they ask for and how far they reach (0: none came)."""
    messages = await follower.fetch(WAIT_SECONDS)
    return _requests(messages), messages[-1].seq if messages else 0


def _requests(messages: Sequence[Message]) -> list[_Request]:
    """Return of each asset the last request, in the order of commits; what cannot be read asks for nothing."""
    requests: dict[AssetKey, _Request] = {}
    for message in messages:
        try:
            outcomes = decode_commit(message.data).assets
        except RejectedError as error:
            PASSED_OVER.emit(seq=message.seq, error=str(error))
            continue
        for outcome in outcomes:
            if outcome.fit_request is not None:
                requests.pop(outcome.key, None)
                requests[outcome.key] = _Request(message.seq, outcome.key, outcome.fit_request)
    return list(requests.values())
