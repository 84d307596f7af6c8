"""A connection to a Modbus TCP device or gateway: one question at a time, each with a deadline."""

import errno
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketStream

from iot_edge_anomaly.connectors.modbus_frames import (
    GATEWAY_GOT_NO_ANSWER,
    GATEWAY_HAS_NO_PATH,
    Frame,
    RefusedError,
    answer,
    question,
    take_frame,
)
from iot_edge_anomaly.connectors.modbus_plan import Request
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError

CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 4096
_NUMBERS = 65_536
_MOST_UNANSWERED = 1000


class SilentError(UnavailableError):
    """A unit gives no answer that is one. `line_works`: something came over the connection all the same."""

    def __init__(self, text: str, *, line_works: bool) -> None:
        super().__init__(text)
        self.line_works = line_works


class Line:
    """Holds no more than a frame and a chunk of what comes. Answers that come too late are recognized and dropped."""

    def __init__(self, stream: SocketStream, where: str, timeout_seconds: float) -> None:
        self.where = where
        self._stream = stream
        self._timeout = timeout_seconds
        self._received = bytearray()
        self._number = 0
        self._unanswered: deque[int] = deque(maxlen=_MOST_UNANSWERED)

    async def ask(self, unit: int, request: Request) -> bytes:
        """Return the registers or bits asked for.

        Raises RefusedError when the device refuses, SilentError when the unit gives no answer that is one, and
        UnavailableError when the connection is gone or of no use any more.
        """
        frame = await self._exchange(unit, request)
        if frame.unit != unit:
            raise SilentError(f"unit {frame.unit} answered what unit {unit} was asked", line_works=True)
        try:
            return answer(frame.content, request)
        except RefusedError as error:
            if error.code in (GATEWAY_HAS_NO_PATH, GATEWAY_GOT_NO_ANSWER):
                raise SilentError(f"the gateway says: {error}", line_works=True) from error
            raise
        except RejectedError as error:
            raise SilentError(str(error), line_works=True) from error

    async def _exchange(self, unit: int, request: Request) -> Frame:
        self._number = (self._number + 1) % _NUMBERS
        try:
            with anyio.fail_after(self._timeout):
                await self._stream.send(question(self._number, unit, request))
                return await self._answer(self._number)
        except TimeoutError as error:
            self._unanswered.append(self._number)
            said = f"no answer to {request} within {self._timeout:g} s"
            raise SilentError(said, line_works=False) from error
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            said = f"{self.where} closed the connection; some devices serve only one or few clients at a time"
            raise UnavailableError(said) from error

    async def _answer(self, number: int) -> Frame:
        while (frame := await self._frame()).number != number:
            if frame.number not in self._unanswered:
                raise UnavailableError(f"{self.where} answers question {frame.number}, which nobody asked")
            self._unanswered.remove(frame.number)
        return frame

    async def _frame(self) -> Frame:
        try:
            while (frame := take_frame(self._received)) is None:
                self._received += await self._stream.receive(_CHUNK_BYTES)
        except RejectedError as error:
            raise UnavailableError(f"{self.where}: {error}") from error
        return frame


@asynccontextmanager
async def connected(host: str, port: int, timeout_seconds: float) -> AsyncIterator[Line]:
    """Connect for the time of the block. Raises UnavailableError that says what may be wrong."""
    where = f"{host}:{port}"
    try:
        with anyio.fail_after(CONNECT_SECONDS):
            stream = await anyio.connect_tcp(host, port)
    except TimeoutError as error:
        said = f"no answer from {where} within {CONNECT_SECONDS:g} s: is it switched on, is the address right,"
        raise UnavailableError(f"{said} and does no firewall stand between?") from error
    except OSError as error:
        raise UnavailableError(f"cannot reach {where}: {_why(error)}") from error
    async with stream:
        yield Line(stream, where, timeout_seconds)


def _why(error: BaseException) -> str:
    """Say what is wrong, and what to look at."""
    while isinstance(error.__cause__, OSError | ExceptionGroup):
        error = error.__cause__
    if isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, socket.gaierror):
        return f"there is no such host ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there: is Modbus TCP switched on, and on this port?"
    if getattr(error, "errno", None) in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "there is no way to this address: is it right, and is the network up?"
    return str(error)
