"""Bytes of an OPC UA server that may lie about lengths, made safe for the library to read.

The library believes what a message says of itself: a length below zero takes it back, to read the same for ever;
an array of a billion nulls, which take no bytes, fills the memory; so does one of a few numbers that is said to be a
matrix of a million. Here reading costs time and memory in proportion to the bytes that came, or ends with an error.
"""

from typing import Any

from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import ua_binary


class CarefulBuffer(Buffer):
    """A buffer that is read forward only, and whose nulls are not more than its bytes."""

    def __init__(self, data: bytes, start: int = 0, size: int = -1, nulls: list[None] | None = None) -> None:
        super().__init__(data, start, size)
        self._nulls = [] if nulls is None else nulls

    def read(self, size: int) -> bytes:
        """Take so many bytes. Raises NotEnoughData."""
        if size < 0:
            raise NotEnoughData("a length is below zero")
        return super().read(size)

    def copy(self, size: int = -1) -> "CarefulBuffer":
        """Return a view of the bytes that follow, or of the first of them."""
        wanted = len(self) if size < 0 else min(size, len(self))
        return CarefulBuffer(self._data, self._cur_pos, wanted, self._nulls)

    def skip(self, size: int) -> None:
        """Leave out so many bytes. Raises NotEnoughData."""
        if size < 0:
            raise NotEnoughData("a length is below zero")
        super().skip(size)

    def count_null(self) -> None:
        """Note a value that takes no bytes. Raises NotEnoughData when there are too many."""
        self._nulls.append(None)
        if len(self._nulls) > len(self._data):
            raise NotEnoughData("more nulls than bytes")


class _CountedNull:
    """Reads nothing, but not more often than a message has bytes."""

    @staticmethod
    def pack(_: Any) -> bytes:
        """Write nothing."""
        return b""

    @staticmethod
    def unpack(data: Any) -> None:
        """Read nothing."""
        if isinstance(data, CarefulBuffer):
            data.count_null()


def _as_it_came(flat: list[Any], dims: list[int]) -> list[Any]:  # noqa: ARG001 - what it stands in for has them
    """Leave a matrix as the row of its elements; its dimensions stand beside it."""
    return flat


ua_binary.Primitives.Null = _CountedNull()  # type: ignore[assignment]  # in its place
ua_binary._reshape = _as_it_came
ua_binary._create_uatype_deserializer.cache_clear()
ua_binary._create_uatype_array_deserializer.cache_clear()
