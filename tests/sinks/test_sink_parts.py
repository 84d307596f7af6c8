"""Batches and places: whatever is cut, every wanted transition is handed on once, in order, and no place goes back."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from postings import ListFeed, posting, postings  # type: ignore[import-not-found]

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Priority
from iot_edge_anomaly.sinks.backlog import Backlog
from iot_edge_anomaly.sinks.file import FileSinkSettings
from iot_edge_anomaly.sinks.parts import parts
from iot_edge_anomaly.sinks.places import START, Place, place_of

STRETCHES = st.lists(st.booleans(), max_size=40)


def stretch(wanted: Sequence[bool]) -> list[Posting]:
    """Return transitions of which every second commit holds two; those not wanted are low."""
    places = [(1 + n // 2, n % 2) for n in range(len(wanted))]
    priorities = {True: Priority.HIGH, False: Priority.LOW}
    return [posting(*place, priority=priorities[flag]) for place, flag in zip(places, wanted, strict=True)]


def wants(one: Posting) -> bool:
    return one.event.priority is Priority.HIGH


@given(STRETCHES, st.integers(1, 7))
def test_parts_hold_all_that_is_wanted_in_order_and_end_where_the_stretch_ends(wanted: list[bool], most: int) -> None:
    given_ = stretch(wanted)
    cut = list(parts(given_, wants, most))
    assert [one for part in cut for one in part.postings] == [one for one in given_ if wants(one)]
    assert all(len(part.postings) <= most for part in cut)
    places = [part.place for part in cut]
    assert places == sorted(set(places))
    assert (places[-1] if places else None) == (place_of(given_[-1]) if given_ else None)


@given(STRETCHES, st.integers(1, 7))
def test_a_place_covers_what_was_handed_on_and_nothing_else(wanted: list[bool], most: int) -> None:
    given_ = stretch(wanted)
    handed: list[Posting] = []
    for part in parts(given_, wants, most):
        handed += part.postings
        assert handed == [one for one in given_ if wants(one) and place_of(one) <= part.place]


@given(STRETCHES, st.lists(st.integers(0, 12), max_size=20))
def test_the_backlog_is_what_lies_behind_the_place_however_looks_and_steps_mix(
    wanted: list[bool], steps: list[int]
) -> None:
    given_ = stretch(wanted)

    async def scenario() -> None:
        feed = ListFeed()
        backlog = Backlog(feed, wants)
        backlog.begin(0, START)
        place, done = START, 0
        for step in steps:
            feed.held = given_[: len(feed.held) + step]
            if step % 3:
                await backlog.look(0)
            if step % 2:
                for part in parts(feed.held[done:], wants, 2):
                    if part.postings:
                        backlog.in_hand(0, part.postings[0])
                    place = part.place
                    backlog.reached(0, place, part.postings)
                done = len(feed.held)
        await backlog.look(0)
        behind = [one for one in feed.held if wants(one) and place_of(one) > place]
        assert backlog.waiting == len(behind)
        assert backlog.oldest_ns == (behind[0].event.time_ns if behind else 0)

    asyncio.run(scenario())


def test_a_sink_gets_what_its_settings_want() -> None:
    low = posting(1, priority=Priority.LOW, key=AssetKey("acme", "site-1/pump"))
    everything = FileSinkSettings(name="a", path="x")
    assert everything.wants(low)
    assert FileSinkSettings(name="a", path="x", match="acme/*").wants(low)
    assert not FileSinkSettings(name="a", path="x", match="other/*").wants(low)
    assert not FileSinkSettings(name="a", path="x", priorities=(Priority.HIGH,)).wants(low)
    raised = FileSinkSettings(name="a", path="x", events=("raise",))  # type: ignore[arg-type]
    assert [raised.wants(one) for one in postings(2)] == [True, False]


def test_places_are_in_the_order_of_the_stream() -> None:
    assert START < Place(1, 0) < Place(1, 1) < Place(2, 0)
