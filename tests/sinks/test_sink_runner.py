"""Sinks run side by side: none is held up by another, none loses its place, and what happens is told once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import structlog
from outlets import outlet, own_name, running  # type: ignore[import-not-found]
from postings import ListFeed, posting, postings  # type: ignore[import-not-found]
from sink_bus import SinkBus  # type: ignore[import-not-found]
from structlog.testing import capture_logs
from waiting import in_background, until  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.streams import SINKS, outcomes_subject
from iot_edge_anomaly.component.sink import DeferredError, PartlyTakenError, Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.sinks import runner
from iot_edge_anomaly.sinks.health import keep_health, read_health
from iot_edge_anomaly.sinks.places import START, WHOLE_COMMIT, Place, Places
from iot_edge_anomaly.sinks.settings import SinkSettings

Delivery = Callable[[Sequence[Posting]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(runner, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(runner, "COUNT_SECONDS", 0.02)


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[SinkBus]:
    """A server that a test may stop and fill."""
    server = SinkBus(tmp_path)
    server.start()
    yield server
    server.stop()


class Scripted:
    """A sink that does as it is told for each batch that holds something, and keeps what it took."""

    def __init__(self, *steps: Delivery, most: int = 3) -> None:
        self._steps = list(steps)
        self.taken: list[Posting] = []
        self.batches: list[list[Posting]] = []
        self.made = 0
        self.spec = SinkSpec("scripted", SinkSettings, self._create, most)
        self.settings = own_name(SinkSettings(name="scripted"))

    @property
    def wanted(self) -> tuple[SinkSettings, SinkSpec]:
        return self.settings, self.spec

    @asynccontextmanager
    async def _create(self, _: SinkSettings) -> AsyncIterator[Sink]:
        self.made += 1
        yield self

    async def deliver(self, batch: Sequence[Posting]) -> None:
        if not batch:
            return
        self.batches.append(list(batch))
        if self._steps:
            await self._steps.pop(0)(batch)
        self.taken += batch


async def is_gone(_: Sequence[Posting]) -> None:
    raise UnavailableError("the line is cut")


async def is_refused(_: Sequence[Posting]) -> None:
    raise UnavailableError("bad password")


async def is_misconfigured(_: Sequence[Posting]) -> None:
    raise ConfigError("no such address")


async def is_broken(_: Sequence[Posting]) -> None:
    raise ZeroDivisionError("a mistake")


async def hangs(_: Sequence[Posting]) -> None:
    await asyncio.Event().wait()


async def takes(_: Sequence[Posting]) -> None:
    pass


def never(one: Posting) -> Delivery:
    async def refuse(batch: Sequence[Posting]) -> None:
        if one in batch:
            raise RejectedError("that is no alarm")

    return refuse


def test_all_partitions_are_handed_on_in_order_and_not_again_after_a_restart(sink_bus: SinkBus) -> None:
    both = [*postings(20), *postings(20, partition=1)]
    sink = Scripted()

    async def run(count: int) -> None:
        async with running(sink_bus.address, ListFeed(both), [sink.wanted]):
            await until(lambda: len(sink.taken) == count)

    async def scenario() -> None:
        await run(40)
        both.append(posting(10_000))
        await run(41)

    asyncio.run(scenario())
    assert [one for one in sink.taken if one.partition == 0] == [one for one in both if one.partition == 0]
    assert [one for one in sink.taken if one.partition == 1] == [one for one in both if one.partition == 1]
    assert max(map(len, sink.batches)) == 3


@pytest.mark.parametrize("trouble", [is_gone, is_misconfigured, is_broken, hangs])
def test_trouble_in_one_delays_no_other(trouble: Delivery, sink_bus: SinkBus) -> None:
    troubled, well = Scripted(*[trouble] * 100), Scripted()

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(postings(30)), [troubled.wanted, well.wanted]):
            await until(lambda: len(well.taken) == 30 and bool(troubled.batches))

    asyncio.run(scenario())
    assert troubled.taken == []


def test_an_outage_is_told_once_at_each_end_and_when_its_reason_changes(sink_bus: SinkBus) -> None:
    sink = Scripted(is_gone, is_gone, is_refused, is_refused, takes)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(postings(1)), [sink.wanted]) as (out,):
            await until(lambda: out.health.state is State.UP and bool(sink.taken))
            assert (out.health.outages, out.health.delivered) == (1, 1)
            assert out.health.last_error == "bad password"

    with capture_logs() as lines:
        asyncio.run(scenario())
    told = [(line["log_level"], line.get("why")) for line in lines if line.get("sink") == sink.settings.name]
    assert told == [("warning", "the line is cut"), ("warning", "bad password"), ("info", None)]


def test_what_is_refused_for_ever_is_tried_alone_kept_and_passed_over(sink_bus: SinkBus) -> None:
    three = postings(3)
    sink = Scripted(*[never(three[1])] * 4)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(three), [sink.wanted]) as (out,):
            await until(lambda: len(sink.taken) == 2 and out.health.set_aside == 1 and out.health.waiting == 0)
            (refusal,) = await out.places.refused()
            assert (refusal.why, refusal.message.id) == ("that is no alarm", three[1].id)
        async with running(sink_bus.address, ListFeed([*three, posting(99)]), [sink.wanted]):
            await until(lambda: len(sink.taken) == 3)

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert [one.id for one in sink.taken] == [three[0].id, three[2].id, posting(99).id]
    assert [len(batch) for batch in sink.batches] == [3, 1, 1, 1, 1]
    assert [line["id"] for line in lines if line["log_level"] == "error"] == [three[1].id]
    labels = {"sink": sink.settings.name}
    assert REGISTRY.get_sample_value("iea_sink_refusals_total", labels) == 1
    assert REGISTRY.get_sample_value("iea_sink_deliveries_total", labels) == 3


def test_an_outage_among_those_tried_alone_loses_nothing(sink_bus: SinkBus) -> None:
    three = postings(3)
    sink = Scripted(never(three[2]), takes, is_gone, *[never(three[2])] * 4)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(three), [sink.wanted]) as (out,):
            await until(lambda: out.health.set_aside == 1 and out.health.waiting == 0)

    asyncio.run(scenario())
    assert sink.taken == three[:2], "the first was kept as handed on before the outage"


def test_settings_that_cannot_work_stop_a_sink_and_what_waits_is_counted(sink_bus: SinkBus) -> None:
    sink, feed = Scripted(is_misconfigured), ListFeed(postings(5))

    async def scenario() -> None:
        async with running(sink_bus.address, feed, [sink.wanted]) as (out,):
            await until(lambda: out.health.state is State.STOPPED and out.health.waiting == 5)
            assert out.health.last_error == "no such address"
            feed.held += [posting(900), posting(901)]
            await until(lambda: out.health.waiting == 7)
            labels = {"sink": sink.settings.name}
            assert REGISTRY.get_sample_value("iea_sink_backlog", labels) == 7
            assert REGISTRY.get_sample_value("iea_sink_backlog_age_seconds", labels) > 0
            assert REGISTRY.get_sample_value("iea_sink_up", labels) == 0

    asyncio.run(scenario())
    assert len(sink.batches) == 1


def test_a_target_that_asks_for_time_gets_it(sink_bus: SinkBus, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = anyio.sleep

    async def recorded(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(min(seconds, 0.01))

    async def asks(_: Sequence[Posting]) -> None:
        raise DeferredError("not now", 1234.0)

    async def asks_too_much(_: Sequence[Posting]) -> None:
        raise DeferredError("not this year", 1e9)

    monkeypatch.setattr(anyio, "sleep", recorded)
    sink = Scripted(asks, asks_too_much)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(postings(1)), [sink.wanted]):
            await until(lambda: bool(sink.taken))

    asyncio.run(scenario())
    longest = sorted(pauses)[-2:]
    assert 1234 <= longest[0] < 1235
    assert runner.LONGEST_DEFERRAL_SECONDS <= longest[1] < runner.LONGEST_DEFERRAL_SECONDS + 1


def test_what_was_partly_taken_is_handed_in_again_to_the_same_sink(sink_bus: SinkBus) -> None:
    async def takes_some(_: Sequence[Posting]) -> None:
        raise PartlyTakenError("one lacks it", 0.0)

    two = postings(2)
    sink = Scripted(takes_some, takes_some, takes, is_gone, most=1)

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(two), [sink.wanted]) as (out,):
            await until(lambda: sink.taken == two and out.health.state is State.UP)
            assert (out.health.outages, out.health.delivered) == (1, 2)

    asyncio.run(scenario())
    assert sink.batches == [[two[0]]] * 3 + [[two[1]]] * 2
    assert sink.made == 2, "the outage of the second makes another"


@pytest.mark.parametrize("proves", [takes, "refuses"])
def test_a_sink_that_cannot_ask_its_target_is_up_from_its_first_answer_on(
    proves: Delivery | str, sink_bus: SinkBus
) -> None:
    first, second, third = postings(3)
    sink = Scripted(never(first) if proves == "refuses" else takes, is_gone, most=1)
    spec, feed = sink.spec._replace(can_check=False), ListFeed()

    async def scenario() -> None:
        async with running(sink_bus.address, feed, [(sink.settings, spec)]) as (out,):
            await until(lambda: feed.reads > 20)
            assert out.health.state is State.CONNECTING
            feed.is_down = True
            await until(lambda: out.health.state is State.DOWN)
            feed.is_down = False
            await until(lambda: out.health.state is State.CONNECTING)
            feed.held = [first]
            await until(lambda: out.health.state is State.UP)
            feed.held = [first, second, third]
            await until(lambda: out.health.state is State.UP and out.health.outages == 2 and third in sink.taken)

    asyncio.run(scenario())


def test_a_feed_that_is_down_is_an_outage_and_no_more(sink_bus: SinkBus) -> None:
    sink, feed = Scripted(), ListFeed(postings(2))
    feed.is_down = True

    async def scenario() -> None:
        async with running(sink_bus.address, feed, [sink.wanted]) as (out,):
            await until(lambda: out.health.state is State.DOWN)
            feed.is_down = False
            await until(lambda: len(sink.taken) == 2 and out.health.state is State.UP)

    asyncio.run(scenario())


def test_alarms_that_were_purged_before_they_could_be_handed_on_are_told_of_once(sink_bus: SinkBus) -> None:
    sink, feed = Scripted(takes, is_gone, is_gone), ListFeed([posting(5)])
    fresh = Scripted()

    async def scenario() -> None:
        async with running(sink_bus.address, feed, [sink.wanted]):
            await until(lambda: len(sink.taken) == 1)
        feed.held, feed.lacking = [posting(40)], 30
        async with running(sink_bus.address, feed, [sink.wanted, fresh.wanted]):
            await until(lambda: len(sink.taken) == 2 and len(fresh.taken) == 1)

    with capture_logs() as lines:
        asyncio.run(scenario())
    gaps = [(line["sink"], line["after"], line["up_to"]) for line in lines if line["log_level"] == "error"]
    assert gaps == [(sink.settings.name, 5, 30)], "one that begins only now has missed nothing"


def test_what_is_purged_later_in_a_long_outage_is_told_of_too(sink_bus: SinkBus) -> None:
    sink, feed = Scripted(takes, *[is_gone] * 10_000, most=1), ListFeed([posting(5), posting(50)])

    async def lack(up_to: int) -> None:
        feed.lacking = up_to
        await until(lambda: up_to in [line.get("up_to") for line in lines])
        batches = len(sink.batches)
        await until(lambda: len(sink.batches) > batches + 3)

    async def scenario() -> None:
        async with running(sink_bus.address, feed, [sink.wanted]) as (out,):
            await until(lambda: out.health.state is State.DOWN)
            await lack(30)
            await lack(40)

    with capture_logs() as lines:
        asyncio.run(scenario())
    gaps = [(line["after"], line["up_to"]) for line in lines if line["log_level"] == "error"]
    assert gaps == [(5, 30), (5, 40)]


def test_what_was_taken_is_not_handed_on_again_while_the_store_is_away(own_bus: SinkBus) -> None:
    two = postings(2)
    fell = asyncio.Event()

    async def falls(_: Sequence[Posting]) -> None:
        if not fell.is_set():
            own_bus.stop()
            fell.set()

    sink = Scripted(falls, takes, takes, most=1)

    async def scenario() -> None:
        async with running(own_bus.address, ListFeed(two), [sink.wanted]) as (out,):
            await fell.wait()
            await until(lambda: out.health.state is State.DOWN)
            own_bus.launch()
            await until(lambda: len(sink.taken) == 2 and out.health.state is State.UP)

    asyncio.run(scenario())
    assert sink.batches == [[two[0]], [two[1]]]


@pytest.mark.parametrize("from_start", [False, True])
def test_a_new_sink_begins_at_the_present_unless_it_is_told_otherwise(own_bus: SinkBus, from_start: bool) -> None:
    async def scenario() -> tuple[Place, Place]:
        async with connect(own_bus.address) as bus:
            newest = [await bus.publish(outcomes_subject(0), b"commit") for _ in range(3)][-1]
            places = Places(bus, "late", from_start=from_start)
            begun = await places.of(0), await places.of(1)
            await bus.publish(outcomes_subject(0), b"commit")
            again = Places(bus, "late", from_start=not from_start)
            assert (await again.of(0), await again.of(1)) == begun, "where it began is kept"
            assert begun[0] == (START if from_start else Place(newest, WHOLE_COMMIT))
            return begun

    assert asyncio.run(scenario())[1] == START


def test_of_two_that_deliver_for_one_sink_one_is_told_and_nothing_is_lost(sink_bus: SinkBus) -> None:
    async def scenario() -> None:
        async with connect(sink_bus.address) as bus:
            name = own_name(SinkSettings(name="twice")).name
            one, other = (Places(bus, name, from_start=True) for _ in range(2))
            assert await one.of(0) == await other.of(0) == START
            await one.store(0, Place(3, 0))
            with pytest.raises(UnavailableError, match="does another process deliver for it"):
                await other.store(0, Place(2, 0))
            assert await other.of(0) == Place(3, 0)
            await other.store(0, Place(4, 0))

    asyncio.run(scenario())


def test_any_name_may_be_a_sinks_and_names_do_not_get_mixed_up(sink_bus: SinkBus) -> None:
    async def scenario() -> None:
        async with connect(sink_bus.address) as bus:
            for number, name in enumerate(("wörk.shop *>", "wörk.shop", "a b", "place.a", ">"), start=1):
                await Places(bus, name, from_start=True).of(0)
                places = Places(bus, name, from_start=True)
                assert await places.of(0) == START
                await places.store(0, Place(number, 1))
                assert await Places(bus, name, from_start=True).of(0) == Place(number, 1)
            assert len(await bus.keys(SINKS, "place.>")) >= 5

    asyncio.run(scenario())


def test_how_sinks_are_is_left_for_other_processes(sink_bus: SinkBus, tmp_path: Path) -> None:
    sink = Scripted()

    async def scenario() -> None:
        async with connect(sink_bus.address) as bus:
            feed = ListFeed(postings(4))
            out = outlet(sink.settings, bus, feed, sink.spec)
            async with (
                in_background(runner.run_all([out], feed, 2)),
                in_background(keep_health(lambda: (out.health,), tmp_path)),
            ):
                await until(lambda: [one.delivered for one in read_health(tmp_path)] == [4])

    assert read_health(tmp_path) == ()
    asyncio.run(scenario())
