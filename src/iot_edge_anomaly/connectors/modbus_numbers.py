"""What stands in registers becomes numbers. Pure.

Modbus says how bits and 16-bit registers are sent, and nothing of larger numbers: devices differ in the order of the
words and, seldom, of the bytes in a word. The four orders are told by how the bytes of a 32-bit number ABCD come.
"""

import math
import struct
from typing import Literal, Protocol

from iot_edge_anomaly.connectors.rows import LARGEST
from iot_edge_anomaly.core.errors import RejectedError

ReadAs = Literal["bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

REGISTERS: dict[ReadAs, int] = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
}
"""How many registers each takes (a `bool` of a coil or discrete input: one bit)."""

RANGES: dict[ReadAs, tuple[float, float]] = {
    "bool": (0, 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
    "float32": (-math.inf, math.inf),
    "float64": (-math.inf, math.inf),
}

_CODES: dict[ReadAs, str] = {
    "bool": "H",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


class Reading(Protocol):
    """How a number is read."""

    @property
    def read_as(self) -> ReadAs:
        """What stands there."""
        ...

    @property
    def order(self) -> Order:
        """How its bytes come."""
        ...

    @property
    def bit(self) -> int:
        """Which bit of a register, 0 the lowest."""
        ...

    @property
    def scale(self) -> float:
        """What one step is."""
        ...

    @property
    def offset(self) -> float:
        """What is added after scaling."""
        ...

    @property
    def no_value(self) -> tuple[float, ...]:
        """Which number, or which from and to, means none."""
        ...


def reading_of(point: Reading, registers: bytes) -> float | None:
    """Return the reading that stands in these registers, as they came on the wire; None where they say there is none.

    Integers beyond 2^53 lose their last digits: a reading is a float64. Raises RejectedError for what is no number.
    """
    (number,) = struct.unpack(_first_byte(point) + _CODES[point.read_as], _in_one_direction(point, registers))
    return _scaled(point, number >> point.bit & 1 if point.read_as == "bool" else number)


def reading_of_bit(point: Reading, bits: bytes, number: int) -> float | None:
    """Return the reading of a coil or discrete input: bit `number` of those that came."""
    return _scaled(point, bits[number >> 3] >> (number & 7) & 1)


def _in_one_direction(point: Reading, registers: bytes) -> bytes:
    """Swap the bytes of each word where the order of the bytes is not that of the words."""
    if point.order in ("ABCD", "DCBA"):
        return registers
    swapped = bytearray(registers)
    swapped[0::2], swapped[1::2] = registers[1::2], registers[0::2]
    return bytes(swapped)


def _first_byte(point: Reading) -> str:
    """Tell whether the highest byte comes first (>) or the lowest, once bytes and words go in one direction."""
    return ">" if point.order in ("ABCD", "BADC") else "<"


def _scaled(point: Reading, number: float) -> float | None:
    if not math.isfinite(number):
        raise RejectedError("value is infinite" if math.isinf(number) else "value is no number (NaN)")
    if point.no_value and point.no_value[0] <= number <= point.no_value[-1]:
        return None
    value = number * point.scale + point.offset
    if not -LARGEST <= value <= LARGEST:
        raise RejectedError(f"value is not finite or beyond {LARGEST:g}")
    return value
