"""A stretch of network that a test can cut, heal, and make swallow what is sent without a word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from free_ports import free_port  # type: ignore[import-not-found]


class Proxy:
    """Stands before a server on loopback."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_clients: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        self.cut()
        self._open.set()
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections, and each new one at once."""
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Let all through again."""
        self._is_cut = False
        self._open.set()

    def inject(self, data: bytes) -> None:
        """Send something to the client that the server never said."""
        for writer in self._to_clients:
            writer.write(data)

    def freeze(self) -> None:
        """Keep connections open and forward nothing any more."""
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        self._to_clients.add(writer)
        try:
            await asyncio.gather(self._forward(reader, back), self._forward(onward, writer))
        finally:
            self._to_clients.discard(writer)
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def proxy_before(port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
