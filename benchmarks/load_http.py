"""Drive an HTTP/1.1 server over kept-alive connections, and say how fast it answered. `http` is the benchmark."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

RequestOf = Callable[[int], bytes]
"""Make the n-th request, head and body."""


@dataclass
class Load:
    """What came back. `seconds` holds one latency a request."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    broken: int = 0
    elapsed: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Return rate, latency percentiles in ms, and counts of answers by status."""
        ordered = sorted(self.seconds)
        share = {f"p{cut}_ms": round(ordered[int(len(ordered) * cut / 100)] * 1e3, 2) for cut in (50, 95, 99)}
        return {
            "requests": len(ordered),
            "rate": round(len(ordered) / self.elapsed),
            **share,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "broken_connections": self.broken,
        }


class _Client(asyncio.Protocol):
    """One connection with one request under way at a time, as a device has."""

    def __init__(self, load: Load, next_request: Callable[[], bytes | None], done: asyncio.Future[None]) -> None:
        self._load = load
        self._next = next_request
        self._done = done
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0 or len(buffer) < head_end + 4 + _content_length(buffer, head_end):
            self._buffer = buffer
            return
        self._buffer = b""
        self._load.seconds.append(time.perf_counter() - self._sent_at)
        self._load.statuses[int(buffer[9:12])] += 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self._done.done():
            self._load.broken += 1
            self._done.set_result(None)

    def _send(self) -> None:
        request = self._next()
        if request is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def drive(host: str, port: int, request_of: RequestOf, *, connections: int, seconds: float) -> Load:
    """Send requests over `connections` for `seconds`, each connection one at a time; wait for the last answers."""
    load, loop = Load(), asyncio.get_running_loop()
    start = time.perf_counter()
    number = 0

    def next_request() -> bytes | None:
        nonlocal number
        if time.perf_counter() - start >= seconds:
            return None
        number += 1
        return request_of(number)

    done = [loop.create_future() for _ in range(connections)]
    for future in done:
        await loop.create_connection(lambda future=future: _Client(load, next_request, future), host, port)
    await asyncio.gather(*done)
    load.elapsed = time.perf_counter() - start
    return load


def post(path: str, body: bytes, token: str, content_type: str = "application/json") -> bytes:
    """Return a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _content_length(buffer: bytes, head_end: int) -> int:
    at = buffer.find(b"content-length: ", 0, head_end)
    return int(buffer[at + 16 : buffer.index(b"\r\n", at)]) if at >= 0 else 0
