"""The wire form of READINGS and OUTCOMES messages: one format version byte, then MessagePack.

Columns inside are little-endian bytes (see `core/messages.py`) and are not copied. What is decoded has been checked.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np

from iot_edge_anomaly.core.errors import FatalError, RejectedError
from iot_edge_anomaly.core.messages import Batch, Envelope, Item
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, Commit, Rows

VERSION = 1
FRAME_BYTES = 6
"""What a READINGS message has besides its items, at most: the version and the length of the list."""

_Shape = TypeVar("_Shape")

_encoder = msgspec.msgpack.Encoder()
_items = msgspec.msgpack.Decoder(tuple[Item, ...])
_commit = msgspec.msgpack.Decoder(Commit)
_PREFIX = bytes([VERSION])


def encode_items(items: Sequence[Item]) -> bytes:
    """Write the items of one READINGS message."""
    return _PREFIX + _encoder.encode(items)


def encode_item(item: Item) -> bytes:
    """Write one item, to be joined with others later."""
    return _encoder.encode(item)


def join_items(encoded: Sequence[bytes]) -> bytes:
    """Write one READINGS message of items that were encoded before: the same bytes as `encode_items`."""
    count = len(encoded)
    if count < 16:
        head = bytes([0x90 | count])
    elif count < 1 << 16:
        head = b"\xdc" + count.to_bytes(2)
    else:
        head = b"\xdd" + count.to_bytes(4)
    return b"".join([_PREFIX, head, *encoded])


def decode_envelope(data: bytes, seq: int) -> Envelope:
    """Read a READINGS message. Raises RejectedError for garbage, FatalError for a version newer than this program."""
    items = _decode(data, _items)
    for item in items:
        if type(item) is Batch:
            _check_batch(item)
    return Envelope(items, seq)


def encode_commit(commit: Commit) -> bytes:
    """Write an OUTCOMES message."""
    return _PREFIX + _encoder.encode(commit)


def decode_commit(data: bytes) -> Commit:
    """Read an OUTCOMES message. Raises RejectedError for garbage, FatalError for a version newer than this program."""
    commit = _decode(data, _commit)
    for asset in commit.assets:
        if asset.rows is not None:
            _check_rows(asset.rows)
    return commit


def _decode(data: bytes, decoder: "msgspec.msgpack.Decoder[_Shape]") -> _Shape:
    if not data:
        raise RejectedError("the message is empty")
    if data[0] > VERSION:
        raise FatalError(f"a message has format version {data[0]}, this program reads up to {VERSION}: upgrade it")
    if data[0] != VERSION:
        raise RejectedError(f"a message has the unknown format version {data[0]}")
    try:
        return decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise RejectedError(f"a message cannot be read: {error}") from error


def _check_batch(batch: Batch) -> None:
    size = len(batch.value)
    if size % 8 or len(batch.time_ns) != size or len(batch.sensor) != size or len(batch.quality) not in (0, size):
        raise RejectedError(f"the columns of a batch of {batch.key} differ in length")
    if size:
        indices = np.frombuffer(batch.sensor, "<i8")
        if int(indices.min()) < 0 or int(indices.max()) >= len(batch.sensors):
            raise RejectedError(f"a batch of {batch.key} names a sensor that it does not list")


def _check_rows(rows: Rows) -> None:
    count, cells = len(rows.quality), len(rows.quality) * len(rows.sensors)
    wide = (len(rows.value), 2 * len(rows.expected), 2 * len(rows.contribution))
    if len(rows.time_ns) != 8 * count or len(rows.score) != 8 * count or any(size != 8 * cells for size in wide):
        raise RejectedError("the columns of scored rows differ in length")
    if not rows.sensors or (count and max(rows.quality) >= len(ROW_QUALITIES)):
        raise RejectedError("scored rows have no sensor, or an unknown quality")
