"""Messages go from a network thread to the event loop: in order, none lost, and the thread waits when it is full."""

import asyncio
import threading

import pytest
from intakes import until  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors.inbox import Inbox
from iot_edge_anomaly.core.errors import UnavailableError


def test_everything_comes_through_in_order_however_small_the_room() -> None:
    async def scenario() -> list[int]:
        inbox: Inbox[int] = Inbox(7)
        thread = threading.Thread(target=lambda: [inbox.put(number) for number in range(2000)])
        thread.start()
        taken: list[int] = []
        while len(taken) < 2000:
            group = await asyncio.wait_for(inbox.take(5), 10)
            assert 1 <= len(group) <= 5
            taken += group
        thread.join()
        return taken

    assert asyncio.run(scenario()) == list(range(2000))


def test_a_full_inbox_holds_its_thread_until_it_is_closed() -> None:
    async def scenario() -> None:
        inbox: Inbox[int] = Inbox(2)
        put: list[int] = []

        def fill() -> None:
            for number in range(3):
                inbox.put(number)
                put.append(number)

        thread = threading.Thread(target=fill)
        thread.start()
        await until(lambda: put == [0, 1])
        assert thread.is_alive()
        inbox.close()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
        assert await inbox.take(10) == [0, 1]

    asyncio.run(scenario())


def test_a_large_message_takes_several_places_and_one_beyond_all_room_takes_all() -> None:
    async def scenario() -> None:
        inbox: Inbox[str] = Inbox(4)
        put: list[str] = []

        def fill() -> None:
            for message, places in (("small", 1), ("large", 3), ("huge", 100), ("last", 1)):
                inbox.put(message, places)
                put.append(message)

        thread = threading.Thread(target=fill)
        thread.start()
        await until(lambda: put == ["small", "large"])
        assert await inbox.take(1) == ["small"]
        assert put == ["small", "large"]
        assert await inbox.take(9) == ["large"]
        await until(lambda: put == ["small", "large", "huge"])
        assert await inbox.take(9) == ["huge"]
        await asyncio.to_thread(thread.join, 10)
        assert await inbox.take(9) == ["last"]

    asyncio.run(scenario())


def test_a_failure_is_raised_to_who_waits() -> None:
    async def scenario() -> None:
        inbox: Inbox[int] = Inbox(2)
        threading.Timer(0.02, inbox.fail, [UnavailableError("the line is cut")]).start()
        with pytest.raises(UnavailableError, match="the line is cut"):
            await asyncio.wait_for(inbox.take(1), 10)

    asyncio.run(scenario())


def test_a_source_that_is_reached_is_told_once_and_loses_no_message() -> None:
    async def scenario() -> list[list[int]]:
        inbox: Inbox[int] = Inbox(4)
        await asyncio.to_thread(inbox.reach)
        reached = await inbox.take(10)
        await asyncio.to_thread(inbox.put, 1)
        one = await inbox.take(10)
        await asyncio.to_thread(inbox.put, 2)
        await asyncio.to_thread(inbox.reach)
        return [reached, one, await inbox.take(10)]

    assert asyncio.run(scenario()) == [[], [1], [2]]
