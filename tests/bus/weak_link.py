"""A TCP link to a server that can swallow what the server answers, and be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WeakLink:
    """Passes bytes on both ways; `mute()` loses what the server says from then on, until `cut()`."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: list[asyncio.StreamWriter] = []
        self._is_mute = False
        self.swallowed = asyncio.Event()
        self.port = 0

    def mute(self) -> None:
        self.swallowed.clear()
        self._is_mute = True

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
