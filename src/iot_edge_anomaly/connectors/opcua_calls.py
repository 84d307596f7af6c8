"""Calls to an OPC UA server: each has a deadline, and whatever becomes of it is one of our errors.

Loading this quiets the library's own log: what goes wrong is raised, and told once, as an outage.
"""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from asyncua import Client, ua
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.shortcuts import Shortcuts
from asyncua.crypto import uacrypto
from cryptography.exceptions import InvalidSignature

from iot_edge_anomaly.connectors.opcua_buffer import CarefulBuffer
from iot_edge_anomaly.core.errors import UnavailableError

CALL_SECONDS = 10.0
MOST_BYTES = 32 << 20
"""Of one message: ten thousand values with their times are half a megabyte."""

CHANNEL_SECONDS = 3600.0

UNREADABLE = (
    ua.UaError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    struct.error,
    InvalidSignature,
    uacrypto.InvalidSignature,
)
"""What the library raises for bytes that make no sense."""

logging.getLogger("asyncua").addHandler(logging.NullHandler())
logging.getLogger("asyncua").propagate = False


class GoneError(UnavailableError):
    """The server has no such subscription any more: another one must be begun."""


class RefusedError(UnavailableError):
    """The server has answered, and the answer is no."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@contextmanager
def asked(what: str, seconds: float | None = None) -> Iterator[None]:
    """Give a question to the server a deadline, and raise UnavailableError for all that may become of it."""
    try:
        with anyio.fail_after(CALL_SECONDS if seconds is None else seconds):
            yield
    except ua.UaStatusCodeError as error:
        code = int(error.code)
        raise RefusedError(f"the OPC UA server refuses {what}: {name_of(code)}", code) from error
    except TimeoutError as error:
        raise UnavailableError(f"the OPC UA server did not answer in time: {what}") from error
    except OSError as error:
        raise UnavailableError(f"the OPC UA server is gone, or nobody listens there: {what}: {error}") from error
    except UNREADABLE as error:
        raise _not_understood(what, error) from error


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise UnavailableError for bytes that make no sense."""
    try:
        yield
    except UNREADABLE as error:
        raise _not_understood(what, error) from error


def name_of(status: int) -> str:
    """Return what a status code is called."""
    return str(ua.StatusCode(ua.UInt32(status & 0xFFFF0000)).name)


def standard_node(number: int) -> ua.NodeId:
    """Return the NodeId of a node that every server has."""
    return ua.NodeId(ua.Int32(number))


def new_client(url: str) -> Client:
    """Make a client that is not connected, takes messages of a bounded size, and does nothing by itself."""
    client = Client(url, timeout=CALL_SECONDS)
    client.name = client.description = "iot-edge-anomaly"
    client.application_uri = "urn:iot-edge-anomaly:client"
    client.secure_channel_timeout = int(CHANNEL_SECONDS * 1000)
    client.uaclient = _BoundedClient(2 * CALL_SECONDS)  # the deadlines are ours; its own are there in case
    client.nodes = Shortcuts(client.uaclient.session)
    return client


async def connect(client: Client) -> None:
    """Connect and open a secure channel."""
    with asked("a connection"):
        await client.connect_socket()
    await open_channel(client)


async def open_channel(client: Client) -> None:
    """Open a secure channel on a connection."""
    with asked("a secure channel"):
        await client.send_hello()
        await client.open_secure_channel()


def cut(client: Client) -> None:
    """Close the connection at once; the server keeps the session for as long as was asked."""
    protocol = client.uaclient.protocol
    if protocol is not None and protocol.transport is not None:
        protocol.transport.abort()
    client.disconnect_socket()


def _not_understood(what: str, error: Exception) -> UnavailableError:
    text = f"{type(error).__name__} {error}"[:200]
    return UnavailableError(f"what the OPC UA server says cannot be understood: {what}: {text}")


class _BoundedProtocol(UASocketProtocol):
    """Takes no more of a message than a message may have, whatever the server says of its length."""

    _received = 0
    """Bytes since the last message that came as a whole."""

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        told = int.from_bytes((self.receive_buffer or b"")[4:8], "little")  # a chunk tells its length first
        if max(told, self._received) > MOST_BYTES:
            self.receive_buffer = None
            self.disconnect_socket()

    def _process_received_message(self, msg: Any) -> None:
        self._received = self._received if msg is None else 0
        if isinstance(msg, ua.Message):
            content = bytes(msg.body())  # type: ignore[no-untyped-call]
            msg.body = lambda: CarefulBuffer(content)  # type: ignore[method-assign]
        super()._process_received_message(msg)


class _BoundedClient(UaClient):
    def _make_protocol(self) -> UASocketProtocol:
        self.protocol = _BoundedProtocol(self._timeout, security_policy=self.security_policy)
        self.protocol.on_connection_lost = self._on_transport_lost
        self.protocol.is_session_closing = self._is_session_closing
        return self.protocol
