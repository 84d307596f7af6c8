"""A TCP link to a server that can swallow what the server answers, and be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WeakLink:
    """Passes bytes on both ways; `mute()` loses what the server says from then on, until `cut()`.

    What is to happen can be bound to bytes that the client says: `mute_at`; `cut_at`, before the server hears them;
    `hold_at`, which keeps them back until `release()`.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: list[asyncio.StreamWriter] = []
        self._is_mute = False
        self._at: tuple[bytes, str] | None = None
        self._released = asyncio.Event()
        self.swallowed = asyncio.Event()
        self.reached = asyncio.Event()
        self.port = 0

    def mute(self) -> None:
        self.swallowed.clear()
        self._is_mute = True

    def mute_at(self, said: bytes) -> None:
        self._watch(said, "mute")

    def cut_at(self, said: bytes) -> None:
        self._watch(said, "cut")

    def hold_at(self, said: bytes) -> None:
        self._watch(said, "hold")

    def release(self) -> None:
        self._released.set()

    def _watch(self, said: bytes, then: str) -> None:
        self._at = (said, then)
        self.reached.clear()
        self._released = asyncio.Event()

    async def _hear(self, data: bytes) -> None:
        if self._at is None or self._at[0] not in data:
            return
        then, released, self._at = self._at[1], self._released, None
        self.reached.set()
        if then == "mute":
            self.mute()
        elif then == "cut":
            self.cut()
        else:
            await released.wait()

    def cut(self) -> None:
        """End all connections; new ones are let through, and are heard."""
        self._is_mute = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers += [writer, there_writer]
        await asyncio.gather(
            self._pass(reader, there_writer, from_server=False), self._pass(there_reader, writer, from_server=True)
        )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool) -> None:
        try:
            while data := await reader.read(1 << 16):
                if not from_server:
                    await self._hear(data)
                if from_server and self._is_mute:
                    self.swallowed.set()
                else:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def weak_link(target_port: int) -> AsyncIterator[WeakLink]:
    link = WeakLink(target_port)
    server = await asyncio.start_server(link._serve, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        link.cut()
        await asyncio.sleep(0)
