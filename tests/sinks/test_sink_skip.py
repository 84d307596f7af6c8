"""A person passes over what a sink is stuck at: that one event, kept with a reason, while the sink runs elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog
from outlets import own_name, running  # type: ignore[import-not-found]
from postings import ListFeed, posting, postings  # type: ignore[import-not-found]
from sink_bus import SinkBus  # type: ignore[import-not-found]
from structlog.testing import capture_logs
from waiting import until  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.component.sink import DeferredError, PartlyTakenError, Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.sinks import runner
from iot_edge_anomaly.sinks.health import SinkHealth, Stuck
from iot_edge_anomaly.sinks.places import START, Place, Places, Refusal
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.sinks.skip import skip
from iot_edge_anomaly.sinks.wording import message


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    for name in ("FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "POLL_SECONDS", "COUNT_SECONDS", "WATCH_SECONDS"):
        monkeypatch.setattr(runner, name, 0.02)


class Choosy:
    """A target that fails whenever it is handed one of some events."""

    def __init__(self, fails_at: Sequence[Posting], failure: Callable[[], Exception], most: int) -> None:
        self._fails_at = fails_at
        self._failure = failure
        self.taken: list[Posting] = []
        self.calls = 0
        self.spec = SinkSpec("choosy", SinkSettings, self._create, most)
        self.settings = own_name(SinkSettings(name="choosy", replay_from_start=True))

    @asynccontextmanager
    async def _create(self, _: SinkSettings) -> AsyncIterator[Sink]:
        yield self

    async def deliver(self, batch: Sequence[Posting]) -> None:
        self.calls += bool(batch)
        if any(one in self._fails_at for one in batch):
            raise self._failure()
        self.taken += batch


async def skipped(sink_bus: SinkBus, health: SinkHealth) -> Refusal:
    """Skip as another process does."""
    async with connect(sink_bus.address, "command") as bus:
        return await skip(bus, health, 1_767_225_600.0)


FAILURES = [
    lambda: UnavailableError("answers 500"),
    lambda: DeferredError("answers 500", 3000.0),
    lambda: PartlyTakenError("answers 500", 0.0),
    lambda: ZeroDivisionError("answers 500"),
]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("most", [1, 3])
def test_exactly_what_it_is_stuck_at_is_passed_over_and_kept(
    failure: Callable[[], Exception], most: int, sink_bus: SinkBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    if most > 1:
        monkeypatch.setattr(runner, "LONGEST_DEFERRAL_SECONDS", 0.0)  # it has to find out which one it is
    held = postings(7)
    odd = held[4]
    sink = Choosy([odd], failure, most)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(held), [(sink.settings, sink.spec)]) as (out,):
            await until(lambda: out.health.stuck is not None and out.health.waiting == 3)
            assert out.health.state is State.DOWN
            refusal = await skipped(sink_bus, out.health)
            assert "skipped by a person" in refusal.why
            assert "answers 500" in refusal.why
            assert refusal.message.id == odd.id
            await until(lambda: out.health.state is State.UP and out.health.waiting == 0)
            assert (out.health.stuck, await out.places.refused()) == (None, [refusal])

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert sink.taken == [one for one in held if one is not odd]
    assert [line["id"] for line in lines if line["event"].startswith("a person passed over")] == [odd.id]


def test_what_comes_to_be_stuck_next_is_not_passed_over_with_it(sink_bus: SinkBus) -> None:
    held = postings(4)
    sink = Choosy(held[1:3], lambda: UnavailableError("answers 500"), 1)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(held), [(sink.settings, sink.spec)]) as (out,):
            for odd in held[1:3]:
                await until(lambda: out.health.stuck is not None and out.health.stuck.message.id == odd.id)  # noqa: B023 - awaited here
                calls = sink.calls
                await until(lambda: sink.calls > calls + 3)  # noqa: B023 - awaited here
                await skipped(sink_bus, out.health)
            await until(lambda: out.health.state is State.UP and out.health.waiting == 0)
            assert [one.message.id for one in await out.places.refused()] == [one.id for one in held[1:3]]

    asyncio.run(scenario())
    assert sink.taken == [held[0], held[3]]


def test_a_sink_that_cannot_read_what_to_hand_on_is_stuck_at_nothing(sink_bus: SinkBus) -> None:
    held = postings(1)
    sink, feed = Choosy(held, lambda: UnavailableError("answers 500"), 1), ListFeed(held)

    async def scenario() -> None:
        async with running(sink_bus.address, feed, [(sink.settings, sink.spec)]) as (out,):
            await until(lambda: out.health.stuck is not None)
            feed.is_down = True
            await until(lambda: out.health.stuck is None)
            with pytest.raises(RejectedError, match="not at an event: the view database is not there"):
                await skipped(sink_bus, out.health)

    asyncio.run(scenario())


def test_a_sink_that_stopped_is_stuck_at_nothing(sink_bus: SinkBus) -> None:
    held = postings(1)
    failures: list[Exception] = [UnavailableError("answers 500")]
    sink = Choosy(held, lambda: failures[-1], 1)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(held), [(sink.settings, sink.spec)]) as (out,):
            await until(lambda: out.health.stuck is not None)
            failures.append(ConfigError("answers 410"))
            await until(lambda: out.health.state is State.STOPPED)
            assert out.health.stuck is None

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [State.UP, State.CONNECTING, State.STOPPED])
def test_a_sink_that_is_not_down_is_left_alone(state: State, sink_bus: SinkBus) -> None:
    stuck = Stuck(0, 5, 0, message(posting(5)))
    with pytest.raises(RejectedError, match=f"sink 'x' is {state.value}: it is stuck at nothing"):
        asyncio.run(skipped(sink_bus, SinkHealth("x", state, stuck=stuck)))


def test_a_sink_that_has_gone_on_meanwhile_is_left_alone(sink_bus: SinkBus) -> None:
    name = own_name(SinkSettings(name="late")).name
    health = SinkHealth(name, State.DOWN, stuck=Stuck(0, 5, 0, message(posting(5))))

    async def scenario() -> None:
        async with connect(sink_bus.address) as bus:
            places = Places(bus, name, from_start=True)
            assert await places.of(0) == START
            await places.store(0, Place(5, 0))
            with pytest.raises(RejectedError, match="has gone on meanwhile"):
                await skipped(sink_bus, health)
            assert await places.again(0) == Place(5, 0)
            assert await places.refused() == []

    asyncio.run(scenario())


def test_a_sink_that_goes_on_in_this_very_moment_wins(sink_bus: SinkBus, monkeypatch: pytest.MonkeyPatch) -> None:
    name = own_name(SinkSettings(name="racing")).name
    health = SinkHealth(name, State.DOWN, stuck=Stuck(0, 5, 0, message(posting(5))))
    store = Places.store

    async def scenario() -> None:
        async with connect(sink_bus.address) as bus:
            runs = Places(bus, name, from_start=True)
            assert await runs.of(0) == START

            async def after_the_other(places: Places, partition: int, place: Place) -> None:
                await store(runs, partition, Place(5, 0))
                await store(places, partition, place)

            monkeypatch.setattr(Places, "store", after_the_other)
            with pytest.raises(UnavailableError, match="moved on by somebody else"):
                await skipped(sink_bus, health)
            assert (await runs.again(0), await runs.refused()) == (Place(5, 0), [])

    asyncio.run(scenario())
