"""Whatever befalls a sink, and wherever it is cut off: nothing is lost, nothing overtakes, what is refused is kept."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from outlets import outlet  # type: ignore[import-not-found]
from postings import ListFeed, postings  # type: ignore[import-not-found]
from sink_bus import PARTITIONS, SinkBus  # type: ignore[import-not-found]
from structlog.testing import capture_logs
from waiting import in_background, until  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.component.sink import Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.sinks import runner
from iot_edge_anomaly.sinks.places import Places
from iot_edge_anomaly.sinks.settings import SinkSettings

MOST = 3
BEFALLS = st.lists(st.sampled_from(["takes", "fails", "takes some and fails", "takes and is killed"]), max_size=12)


class Fate:
    """A target that refuses some for ever, and does at each call what is written for it; at last it takes all."""

    def __init__(self, befalls: Sequence[str], refused: set[str]) -> None:
        self._befalls = list(befalls)
        self._refused = refused
        self.taken: list[str] = []
        self.killed = asyncio.Event()
        self.spec = SinkSpec("fate", SinkSettings, self._create, MOST)

    @asynccontextmanager
    async def _create(self, _: SinkSettings) -> AsyncIterator[Sink]:
        yield self

    async def deliver(self, batch: Sequence[Posting]) -> None:
        assert len(batch) <= MOST
        ids = [one.id for one in batch]
        if self._refused & set(ids):
            raise RejectedError("that is no alarm")
        what = self._befalls.pop(0) if self._befalls and ids else "takes"
        if what == "fails":
            raise UnavailableError("the line is cut")
        if what == "takes some and fails":
            self.taken += ids[: len(ids) // 2]
            raise UnavailableError("the line is cut in between")
        self.taken += ids
        if what == "takes and is killed":
            self.killed.set()
            await asyncio.Event().wait()


async def live(bus: Bus, fate: Fate, name: str, feed: ListFeed) -> None:
    """Run a sink, and run it anew as often as it is killed, until it has dealt with all there is."""
    while True:
        fate.killed.clear()
        out = outlet(SinkSettings(name=name, replay_from_start=True), bus, feed, fate.spec)
        async with in_background(runner.run_all([out], feed, PARTITIONS)):
            await until(partial(_is_over, fate, out))
        if not fate.killed.is_set():
            return


def _is_over(fate: Fate, out: runner.Outlet) -> bool:
    """Tell whether it was killed, or is up: it is after a round through all partitions, and one round holds all."""
    return fate.killed.is_set() or out.health.state is State.UP


@pytest.fixture(scope="module", autouse=True)
def _soon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        structlog.reset_defaults()
        patch.setattr(runner, "FIRST_PAUSE_SECONDS", 0.001)
        patch.setattr(runner, "LONGEST_PAUSE_SECONDS", 0.002)
        patch.setattr(runner, "POLL_SECONDS", 0.005)
        patch.setattr(runner, "COUNT_SECONDS", 0.005)
        yield


@settings(max_examples=25)
@given(BEFALLS, st.integers(0, 14), st.integers(0, 9), st.sets(st.integers(0, 13), max_size=3))
def test_nothing_is_lost_nothing_overtakes_and_what_is_refused_is_kept(
    sink_bus: SinkBus, befalls: list[str], count: int, other: int, odd: set[int]
) -> None:
    held = [*postings(count), *postings(other, partition=1)]
    refused = {held[number].id for number in odd if number < len(held)}
    name = f"fate-{uuid.uuid4().hex}"

    async def scenario() -> tuple[Fate, list[str]]:
        fate = Fate(befalls, refused)
        async with connect(sink_bus.address) as bus:
            await live(bus, fate, name, ListFeed(held))
            kept = await Places(bus, name, from_start=True).refused()
            return fate, [refusal.message.id for refusal in kept]

    with capture_logs():
        fate, kept = asyncio.run(scenario())
    firsts = list(dict.fromkeys(fate.taken))
    for partition in range(PARTITIONS):
        mine = [one.id for one in held if one.partition == partition and one.id not in refused]
        assert [one for one in firsts if one.startswith(f"{partition}-")] == mine
    assert set(kept) == refused
    assert len(fate.taken) - len(firsts) <= MOST * sum(befall != "takes" for befall in befalls)
