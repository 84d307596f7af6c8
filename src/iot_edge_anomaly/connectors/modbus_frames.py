"""Questions and answers of Modbus TCP, as far as reading goes. Pure. (MODBUS Application Protocol V1.1b3; MODBUS
Messaging on TCP/IP Implementation Guide V1.0b.)

A frame is a header of 7 bytes (number of the question, 0, bytes that follow, unit) and at most 253 bytes of content.
"""

import struct
from typing import NamedTuple

from iot_edge_anomaly.connectors.modbus_plan import Request
from iot_edge_anomaly.connectors.modbus_settings import Kind
from iot_edge_anomaly.core.errors import RejectedError

HEADER = struct.Struct(">HHHB")
LONGEST_CONTENT = 253
_FUNCTIONS: dict[Kind, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_IS_EXCEPTION = 0x80

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
GATEWAY_HAS_NO_PATH = 10
GATEWAY_GOT_NO_ANSWER = 11

_SAID = {
    ILLEGAL_FUNCTION: "illegal function",
    ILLEGAL_ADDRESS: "illegal data address",
    ILLEGAL_VALUE: "illegal data value",
    4: "device failure",
    5: "acknowledged, not ready yet",
    6: "busy",
    8: "memory parity error",
    GATEWAY_HAS_NO_PATH: "gateway path unavailable",
    GATEWAY_GOT_NO_ANSWER: "gateway target device failed to respond",
}


class Frame(NamedTuple):
    """A frame that came: the number of the question that it answers, the unit it names, and what it holds."""

    number: int
    unit: int
    content: bytes


class RefusedError(RejectedError):
    """The device answers that it does not answer this: `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{_SAID.get(code, 'an unknown reason')} (code {code})")
        self.code = code


def question(number: int, unit: int, request: Request) -> bytes:
    """Return the frame that asks for what stands there."""
    content = struct.pack(">BHH", _FUNCTIONS[request.kind], request.address, request.size)
    return HEADER.pack(number, 0, len(content) + 1, unit) + content


def take_frame(received: bytearray) -> Frame | None:
    """Take the first frame off what was received; None: it is not all there yet. Raises RejectedError for rubbish."""
    if len(received) < HEADER.size:
        return None
    number, protocol, following, unit = HEADER.unpack_from(received)
    if protocol != 0 or not 2 < following <= LONGEST_CONTENT + 1:
        raise RejectedError(f"what came is no Modbus TCP: {bytes(received[: HEADER.size]).hex(' ')}")
    end = HEADER.size - 1 + following
    if len(received) < end:
        return None
    content = bytes(received[HEADER.size : end])
    del received[:end]
    return Frame(number, unit, content)


def answer(content: bytes, request: Request) -> bytes:
    """Return the registers or bits that an answer holds. Raises RefusedError, or RejectedError when it is none."""
    function, expected = _FUNCTIONS[request.kind], (request.size + 7) // 8 if request.is_of_bits else 2 * request.size
    if len(content) == 2 and content[0] == function | _IS_EXCEPTION:
        raise RefusedError(content[1])
    if not content or content[0] != function:
        raise RejectedError(f"was asked for {request}, and answered something else: {content[:8].hex(' ')}")
    if len(content) != expected + 2 or content[1] != expected:
        raise RejectedError(f"was asked for {request}, and answered {len(content) - 2} bytes instead of {expected}")
    return content[2:]
