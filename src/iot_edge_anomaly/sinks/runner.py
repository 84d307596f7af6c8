"""Runs sinks side by side: each goes through the alarms in the order of the stream at its own pace, at least once.

A sink's place is stored after its target took what lies before it: a kill in between repeats that, under the same ids,
and nothing else. What a target will never take is tried alone, kept apart and passed over. One never delays another.
"""

import random
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from iot_edge_anomaly.component.sink import AlarmFeed, DeferredError, PartlyTakenError, Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError, RejectedError, UnavailableError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.resilience.pauses import longest_pause
from iot_edge_anomaly.sinks.backlog import Backlog
from iot_edge_anomaly.sinks.health import SinkHealth, stuck_at
from iot_edge_anomaly.sinks.parts import Part, parts
from iot_edge_anomaly.sinks.places import START, Place, Places, place_of, refusal_of
from iot_edge_anomaly.sinks.settings import SinkSettings

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_DEFERRAL_SECONDS = 3600.0
STEADY_SECONDS = 60.0
"""What fails after a run of this length fails for the first time again."""

POLL_SECONDS = 0.5
COUNT_SECONDS = 5.0
WATCH_SECONDS = 2.0
"""So often it is looked, between attempts, whether a person has passed over what a sink is stuck at."""

READ = 200

_LABELS = ("sink",)
DELIVERED = Signal("sink_deliveries", "transitions that a target took", Level.COUNTED, _LABELS)
SET_ASIDE = Signal("sink_refusals", "a target refuses an alarm for good; it is kept and passed over", Level.ERROR,
                   _LABELS)  # fmt: skip
LOST = Signal("sink_outages", "sink cannot hand alarms on; they wait, and it is tried again", Level.WARNING, _LABELS)
CHANGED = Signal("sink_outage_changes", "sink still cannot hand alarms on, now for another reason", Level.WARNING,
                 _LABELS)  # fmt: skip
BACK = Signal("sink_recoveries", "sink hands alarms on again", Level.INFO, _LABELS)
FAILED = Signal("sink_failures", "sink failed in a way nobody foresaw; it is tried again", Level.ERROR, _LABELS)
GONE = Signal("sink_gaps", "alarms were purged before this sink could hand them on", Level.ERROR, _LABELS)
SKIPPED = Signal("sink_skips", "a person passed over an alarm that a sink was stuck at", Level.WARNING, _LABELS)
STOPPED = Signal("sink_stops", "sink stopped, alarms wait: a person must change its settings", Level.ERROR, _LABELS)


@dataclass(frozen=True)
class Outlet:
    """A sink of the settings, and all that is kept of it."""

    spec: SinkSpec
    settings: SinkSettings
    places: Places
    backlog: Backlog
    health: SinkHealth


async def run_all(outlets: Sequence[Outlet], feed: AlarmFeed, partitions: int) -> None:
    """Hand alarms on until cancelled; how each sink is doing is noted in its health."""
    async with anyio.create_task_group() as tasks:
        for outlet in outlets:
            tasks.start_soon(_Delivery(outlet, feed, partitions).run)
            tasks.start_soon(_count, outlet, partitions)


class _Delivery:
    """One sink, attempt after attempt."""

    def __init__(self, outlet: Outlet, feed: AlarmFeed, partitions: int) -> None:
        self._outlet = outlet
        self._health = outlet.health
        self._feed = feed
        self._partitions = partitions
        self._reached: dict[int, Place] = {}
        self._lacking: dict[int, int] = {}
        self._failures = 0
        self._why = ""
        self._has_answered = False
        self._alone: Posting | None = None
        self._stuck: Posting | None = None

    async def run(self) -> None:
        """Run until cancelled, or until the settings prove unworkable."""
        self._health.turn(State.CONNECTING)
        while True:
            pause, began = 0.0, anyio.current_time()
            try:
                await self._find_places()
                async with self._outlet.spec.create(self._outlet.settings) as sink:
                    await self._hand_on(sink)
            except ConfigError as error:
                self._be_stuck(None)
                self._health.failed(str(error))
                self._health.turn(State.STOPPED)
                STOPPED.emit(sink=self._health.name, why=str(error))
                return
            except UnavailableError as error:
                pause = self._lost(error)
            except Exception as error:  # noqa: BLE001 - a mistake in one sink must not stop the others
                if self._is_new(repr(error)):
                    FAILED.emit(sink=self._health.name, why=str(error), trace=traceback.format_exc())
                self._down(repr(error))
            if anyio.current_time() - began > STEADY_SECONDS:
                self._failures = 0
            await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        """Wait for the next attempt, longer after more failures; not when a person has skipped the cause."""
        self._failures += 1
        most = longest_pause(self._failures, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, tasks.cancel_scope)
            await anyio.sleep(min(pause, LONGEST_DEFERRAL_SECONDS) + random.uniform(0, most))  # noqa: S311 - jitter, no secret
            tasks.cancel_scope.cancel()

    async def _watch(self, waiting: anyio.CancelScope) -> None:
        while self._stuck is not None:
            with suppress(IotEdgeAnomalyError):  # the next attempt will tell
                if await self._outlet.places.again(self._stuck.partition) >= place_of(self._stuck):
                    waiting.cancel()
            await anyio.sleep(WATCH_SECONDS)

    async def _heed_skip(self) -> None:
        """See whether a person has passed over what the sink is stuck at."""
        if (stuck := self._stuck) is None:
            return
        place = await self._outlet.places.again(stuck.partition)
        if place >= place_of(stuck):
            self._be_stuck(None)
            self._outlet.backlog.reached(stuck.partition, place, (stuck,))
            SKIPPED.emit(sink=self._health.name, id=stuck.id, asset=str(stuck.key))

    async def _find_places(self) -> None:
        await self._heed_skip()
        for partition in range(self._partitions):
            place = await self._outlet.places.of(partition)
            lacking = await self._feed.missing(partition)
            if START < place < Place(lacking, 0) and lacking > self._lacking.get(partition, 0):
                self._lacking[partition] = lacking
                GONE.emit(sink=self._health.name, partition=partition, after=place.position, up_to=lacking)
            self._outlet.backlog.begin(partition, place)

    async def _hand_on(self, sink: Sink) -> None:
        await sink.deliver(())
        while True:
            try:
                moved = [await self._go_on(sink, partition) for partition in range(self._partitions)]
            except PartlyTakenError as error:
                await self._rest(self._lost(error))
                with suppress(UnavailableError):  # the sink is kept, for it knows who lacks it
                    await self._heed_skip()
                continue
            self._up()
            if not any(moved):
                await anyio.sleep(POLL_SECONDS)
                await sink.deliver(())

    async def _go_on(self, sink: Sink, partition: int) -> bool:
        """Hand on what comes next in a partition; False where there is nothing."""
        place = await self._outlet.places.of(partition)
        if (reached := self._reached.get(partition, place)) > place:
            await self._outlet.places.store(partition, reached)  # taken by the target, and not stored then
        postings = await self._feed.after(partition, *max(place, reached), READ)
        most = 1 if self._why else self._outlet.spec.most  # after a failure one by one: so it shows which one fails
        for part in parts(postings, self._outlet.settings.wants, most):
            await self._hand(sink, partition, part)
        return bool(postings)

    async def _hand(self, sink: Sink, partition: int, part: Part) -> None:
        try:
            await self._deliver(sink, partition, part.postings)
        except RejectedError as error:
            if len(part.postings) == 1:
                await self._set_aside(part.postings[0], str(error))
            else:
                for posting in part.postings:
                    await self._hand(sink, partition, Part((posting,), place_of(posting)))
                part = Part((), part.place)
        self._reached[partition] = part.place
        self._outlet.backlog.reached(partition, part.place, part.postings)
        await self._outlet.places.store(partition, part.place)

    async def _deliver(self, sink: Sink, partition: int, postings: Sequence[Posting]) -> None:
        if postings:
            self._outlet.backlog.in_hand(partition, postings[0])
            self._has_answered = False
            self._alone = postings[0] if len(postings) == 1 else None
            await sink.deliver(postings)
            self._answered()
            DELIVERED.emit(len(postings), sink=self._health.name)
            self._health.took(len(postings))
            self._failures = 0

    async def _set_aside(self, posting: Posting, why: str) -> None:
        self._answered()
        await self._outlet.places.refuse(refusal_of(posting, why, time.time()))
        self._health.set_aside += 1
        SET_ASIDE.emit(sink=self._health.name, why=why, id=posting.id, asset=str(posting.key))

    def _answered(self) -> None:
        self._has_answered, self._alone = True, None
        self._be_stuck(None)

    def _be_stuck(self, posting: Posting | None) -> None:
        self._stuck = posting
        self._health.stuck = stuck_at(posting) if posting else None

    def _up(self) -> None:
        """Note that all is well, as far as that can be known."""
        if not self._outlet.spec.can_check and not self._has_answered:
            self._health.turn(State.CONNECTING)
            return
        self._health.turn(State.UP)
        if self._why:
            self._why = ""
            BACK.emit(sink=self._health.name)

    def _lost(self, error: UnavailableError) -> float:
        """Tell of an outage; return for how long its cause asks to be left alone."""
        if self._is_new(str(error)):
            (CHANGED if self._why else LOST).emit(sink=self._health.name, why=str(error))
        self._down(str(error))
        return error.after_seconds if isinstance(error, DeferredError) else 0.0

    def _is_new(self, why: str) -> bool:
        """Tell whether this is to be said: once, and again when the reason is another one."""
        return why != self._why

    def _down(self, why: str) -> None:
        self._why = why
        self._be_stuck(self._alone)
        self._alone = None
        self._health.failed(why)
        self._health.outages += self._health.state is not State.DOWN
        self._health.turn(State.DOWN)


async def _count(outlet: Outlet, partitions: int) -> None:
    """Keep the backlog counted until cancelled, also while the sink is down or has stopped."""
    while True:
        for partition in range(partitions):
            try:
                await outlet.backlog.look(partition)
            except UnavailableError:
                break  # told of by the delivery
        outlet.health.waits(outlet.backlog.waiting, outlet.backlog.oldest_ns)
        await anyio.sleep(COUNT_SECONDS)
