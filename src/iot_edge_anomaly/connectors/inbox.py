"""Hands messages from a network thread to the event loop; when it is full the thread, and so the sender, waits."""

import asyncio
import threading
from collections import deque
from typing import Generic, TypeVar

Message = TypeVar("Message")

_LOOK_SECONDS = 0.2


class Inbox(Generic[Message]):
    """Bounded; `put`, `reach` and `fail` belong to the network thread, the rest to the event loop that made it."""

    def __init__(self, room: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(room)
        self._most = room
        self._messages: deque[tuple[Message, int]] = deque()
        self._arrived = asyncio.Event()
        self._told = False
        self._closed = False
        self._is_reached = False
        self._failure: Exception | None = None

    def put(self, message: Message, places: int = 1) -> None:
        """Leave a message that takes up so many places; waits for room.

        One that is larger than all the room gets all of it. After `close` it is dropped: nobody will acknowledge it.
        """
        places = min(places, self._most)
        for _ in range(places):
            while not self._room.acquire(timeout=_LOOK_SECONDS):
                if self._closed:
                    return
        self._messages.append((message, places))
        self._tell()

    def reach(self) -> None:
        """Make `take` return, with nothing if nothing came: the source is there."""
        self._is_reached = True
        self._tell()

    def fail(self, error: Exception) -> None:
        """Make `take` raise this, at once: what was not taken comes again after the next connect.

        The first failure is told: a source that refused and then hung up has refused.
        """
        self._failure = self._failure or error
        self._tell()

    async def take(self, most: int) -> list[Message]:
        """Return what is there: one at least, or none right after `reach`. Raises what `fail` was given."""
        while not self._messages and not self._is_reached and self._failure is None:
            await self._arrived.wait()
            self._arrived.clear()
            self._told = False  # before looking again: whoever leaves a message from here on tells again
        self._is_reached = False
        if self._failure is not None:
            raise self._failure
        taken = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        if taken:
            self._room.release(sum(places for _, places in taken))
        return [message for message, _ in taken]

    def close(self) -> None:
        """Let go of a thread that waits for room."""
        self._closed = True

    def _tell(self) -> None:
        if not self._told and not self._closed:
            self._told = True
            self._loop.call_soon_threadsafe(self._arrived.set)
