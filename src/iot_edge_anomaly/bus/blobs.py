"""Bytes stored by their own digest: checkpointed states, models, capsules. Immutable, so writing twice is harmless.

A blob is one message, or several where it is larger than a message may be; the part count stands in the subject.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import BLOBS
from iot_edge_anomaly.core.errors import RejectedError

Named = TypeVar("Named")

PART_BYTES = 4 << 20
AT_ONCE = 16
NAME_WITHIN_SECONDS = 20.0
"""Who puts a blob names it within this time, in a manifest, a key or a message, or puts it again afterwards: what
nothing names for longer may be swept away (see `bus/sweep.py`)."""


def digest_of(data: bytes) -> str:
    """Return the name of a blob: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Blobs:
    """The blobs of a bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def put(self, data: bytes) -> str:
        """Store and return the digest. The last part is written last: a blob is there whole, or not at all."""
        digest = digest_of(data)
        size = min(PART_BYTES, self._bus.max_payload_bytes)
        parts = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
        for number, part in reversed(list(enumerate(parts))):
            await self._bus.publish(_subject(digest, number, len(parts)), part)
        return digest

    async def put_named(self, blobs: Iterable[bytes], name: Callable[[], Awaitable[Named]]) -> Named:
        """Store blobs, then do what names them. Where that took long they may be swept away: they are stored again."""
        blobs, began = list(blobs), time.monotonic()
        await self._put_all(blobs)
        named = await name()
        if time.monotonic() - began > NAME_WITHIN_SECONDS:
            await self._put_all(blobs)
        return named

    async def _put_all(self, blobs: Iterable[bytes]) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def store(data: bytes) -> None:
            async with limit:
                await self.put(data)

        await asyncio.gather(*map(store, blobs))

    async def get(self, digest: str) -> bytes:
        """Return a blob. Raises RejectedError where it is missing or its bytes do not match the digest."""
        first = await self._bus.last(BLOBS, f"{_subject(digest)}.0.*")
        if first is None:
            raise RejectedError(f"there is no blob {digest}")
        count = int(first.subject.rpartition(".")[2])
        parts = [first.data]
        for number in range(1, count):
            part = await self._bus.last(BLOBS, _subject(digest, number, count))
            if part is None:
                raise RejectedError(f"blob {digest} lacks part {number} of {count}")
            parts.append(part.data)
        data = b"".join(parts)
        if digest_of(data) != digest:
            raise RejectedError(f"blob {digest} is damaged: its bytes do not match the digest")
        return data

    async def delete(self, digest: str, below_seq: int | None = None) -> None:
        """Forget a blob; nothing happens where there is none, or where it was put again since a sequence."""
        if below_seq is None:
            await self._bus.purge_subject(BLOBS, f"{_subject(digest)}.>")
        else:
            await self._bus.purge(BLOBS, f"{_subject(digest)}.>", below_seq)

    async def end(self) -> int:
        """Return the sequence of the newest message: what is put from now on has a higher one."""
        return int((await self._bus.stream_info(BLOBS))["state"]["last_seq"])

    async def list(self) -> list[str]:
        """Return the digests of all blobs."""
        subjects = await self._bus.subjects(BLOBS, "blobs.*.0.*")
        return [f"sha256:{subject.split('.')[1]}" for subject in subjects]


def _subject(digest: str, *part: int) -> str:
    kind, _, hexadecimal = digest.partition(":")
    if kind != "sha256" or len(hexadecimal) != 64 or not hexadecimal.isalnum():
        raise RejectedError(f"{digest!r} is no digest of a blob")
    return ".".join(["blobs", hexadecimal, *map(str, part)])
