"""What every sink of the catalog promises, against the real target that it is for."""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from broker_target import mosquitto  # type: ignore[import-not-found]
from outlets import own_name, running  # type: ignore[import-not-found]
from postings import ListFeed, posting, postings  # type: ignore[import-not-found]
from sink_bus import SinkBus  # type: ignore[import-not-found]
from sink_targets import SECRETS, TARGETS, Target  # type: ignore[import-not-found]
from structlog.testing import capture_logs
from waiting import until  # type: ignore[import-not-found]

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.sinks import runner
from iot_edge_anomaly.sinks.catalog import CATALOG, spec_of

NEED_A_SERVER = {"embedded": pytest.mark.server, "mosquitto": pytest.mark.system}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(runner, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(runner, "LONGEST_DEFERRAL_SECONDS", 0.1)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(runner, "COUNT_SECONDS", 0.05)


@pytest.fixture(params=[pytest.param(kind, marks=NEED_A_SERVER.get(kind, ())) for kind in TARGETS])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """A target that is there."""
    if request.param == "mosquitto" and mosquitto() is None:
        pytest.skip("no mosquitto here; run: apt-get install mosquitto")
    made = TARGETS[request.param](tmp_path)
    made.start()
    yield made
    made.close()


def once_each(ids: list[str]) -> list[str]:
    """Return the ids in the order of their first arrival."""
    return list(dict.fromkeys(ids))


async def deliver(target: Target, batch: list[Posting]) -> None:
    async with spec_of(target.settings).create(target.settings) as sink:
        await sink.deliver(batch)


def test_every_sink_of_the_catalog_has_a_target_here(tmp_path: Path) -> None:
    assert {type(TARGETS[kind](folder(tmp_path, kind)).settings) for kind in TARGETS} == {
        spec.settings for spec in CATALOG.values()
    }


def folder(below: Path, name: str) -> Path:
    made = below / name
    made.mkdir()
    return made


def test_settings_are_frozen_tagged_and_come_back_from_what_they_are_written_as(target: Target) -> None:
    settings, spec = target.settings, spec_of(target.settings)
    written = msgspec.to_builtins(settings)
    assert written["type"] == spec.name
    assert msgspec.convert(written, spec.settings) == settings
    with pytest.raises(AttributeError):
        settings.name = "other"  # type: ignore[misc]
    with pytest.raises(msgspec.ValidationError, match="surprise"):
        msgspec.convert({**written, "surprise": 1}, spec.settings)


def test_making_one_touches_no_network(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a sink was made, and touched the network")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    spec_of(target.settings).create(target.settings)


def test_what_is_delivered_arrives_in_order(target: Target) -> None:
    batch = postings(12)
    asyncio.run(deliver(target, batch))

    async def arrived() -> None:
        await until(lambda: target.ids() == [one.id for one in batch])

    asyncio.run(arrived())


def test_nothing_is_delivered_at_once(target: Target) -> None:
    asyncio.run(deliver(target, []))
    assert target.ids() == []


def test_a_target_that_is_not_there_is_an_outage(target: Target) -> None:
    target.stop()
    with pytest.raises(UnavailableError):
        asyncio.run(deliver(target, postings(1)))


def test_a_sink_is_up_only_when_its_target_was_seen_to_be_there(target: Target, sink_bus: SinkBus) -> None:
    can_check = spec_of(target.settings).can_check

    async def scenario() -> None:
        feed = ListFeed()
        target.stop()
        async with running(sink_bus.address, feed, [(own_name(target.settings), None)]) as (outlet,):
            before = feed.reads
            await until(lambda: feed.reads > before + 5 or outlet.health.state is State.DOWN)
            assert outlet.health.state is (State.DOWN if can_check else State.CONNECTING)
            await asyncio.to_thread(target.start)
            if can_check:
                await until(lambda: outlet.health.state is State.UP)
            feed.held += postings(1)
            await until(lambda: outlet.health.delivered == 1 and outlet.health.state is State.UP)

    asyncio.run(scenario())


def test_wrong_credentials_are_found_before_there_is_an_alarm(target: Target) -> None:
    if target.wrong is None or not spec_of(target.wrong).can_check:
        pytest.skip("such a target asks for no credentials, or cannot be asked without an alarm")
    wrong = target.wrong

    async def scenario() -> None:
        async with spec_of(wrong).create(wrong) as sink:
            await sink.deliver([])

    with pytest.raises(UnavailableError):
        asyncio.run(scenario())


def test_a_target_that_goes_while_the_sink_is_open_is_an_outage(target: Target) -> None:
    async def scenario() -> None:
        async with spec_of(target.settings).create(target.settings) as sink:
            await sink.deliver(postings(2))
            await asyncio.to_thread(target.stop)
            with pytest.raises(UnavailableError):
                await sink.deliver(postings(3)[2:])

    asyncio.run(scenario())


def test_nothing_is_lost_or_out_of_order_when_the_target_goes_and_comes_back(target: Target, sink_bus: SinkBus) -> None:
    first, rest = postings(60)[:20], postings(60)[20:]

    async def scenario() -> None:
        feed = ListFeed(first)
        async with running(sink_bus.address, feed, [(own_name(target.settings), None)]) as (outlet,):
            await until(lambda: len(once_each(target.ids())) == 20)
            await asyncio.to_thread(target.stop)
            feed.held += rest
            await until(lambda: outlet.health.state is State.DOWN and outlet.health.waiting == 40)
            assert outlet.health.oldest == rest[0].event.time_ns / 1e9
            await asyncio.to_thread(target.start)
            await until(lambda: len(once_each(target.ids())) == 60)
            await until(lambda: outlet.health.waiting == 0 and outlet.health.state is State.UP)

    asyncio.run(scenario())
    assert once_each(target.ids()) == [one.id for one in first + rest]


def test_what_the_target_refuses_for_ever_is_set_aside_and_the_rest_goes_on(target: Target, sink_bus: SinkBus) -> None:
    batch = postings(12)
    if not target.refuse(batch[4].id):
        pytest.skip("such a target takes whatever it is given")
    with pytest.raises(RejectedError):
        asyncio.run(deliver(target, batch[4:5]))

    async def scenario() -> None:
        async with running(sink_bus.address, ListFeed(batch), [(own_name(target.settings), None)]) as (outlet,):
            await until(lambda: len(target.ids()) == 11)
            assert outlet.health.set_aside == 1
            (refusal,) = await outlet.places.refused()
            assert refusal.message.id == batch[4].id
            assert refusal.why

    asyncio.run(scenario())
    assert target.ids() == [one.id for one in batch if one is not batch[4]]


def test_wrong_credentials_lose_nothing_and_are_told_of_without_the_secret(
    target: Target, sink_bus: SinkBus, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    if target.wrong is None:
        pytest.skip("such a target asks for no credentials")
    settings = own_name(target.wrong)
    caplog.set_level(logging.DEBUG)

    async def scenario() -> str:
        async with running(sink_bus.address, ListFeed(postings(3)), [(settings, None)]) as (outlet,):
            await until(lambda: outlet.health.state is State.DOWN)
            assert (outlet.health.set_aside, outlet.health.delivered) == (0, 0)
            told = outlet.health.last_error
        right = msgspec.structs.replace(target.settings, name=settings.name)
        async with running(sink_bus.address, ListFeed(postings(3)), [(right, None)]):
            await until(lambda: len(target.ids()) == 3)
        return told

    with capture_logs() as lines:
        told = asyncio.run(scenario())
    assert told
    everything = json.dumps(lines, default=str) + "".join(capfd.readouterr()) + caplog.text + told
    assert any(line["log_level"] == "warning" for line in lines)
    assert not [secret for secret in SECRETS if secret in everything]


def test_a_message_to_try_it_arrives_and_is_marked(target: Target) -> None:
    test = posting(0, 77, event="raise", reason="nothing is wrong")
    assert test.is_test
    asyncio.run(deliver(target, [test]))

    async def arrived() -> None:
        await until(lambda: target.ids() == [test.id])

    asyncio.run(arrived())
