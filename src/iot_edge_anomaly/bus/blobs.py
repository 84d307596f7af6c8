"""Bytes stored by their own digest: checkpointed states, models, capsules. Immutable, so writing twice is harmless.

A blob is one message, or several where it is larger than a message may be; the part count stands in the subject.
"""

import hashlib

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import BLOBS
from iot_edge_anomaly.core.errors import RejectedError

PART_BYTES = 4 << 20


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

    async def delete(self, digest: str) -> None:
        """Forget a blob; nothing happens where there is none."""
        await self._bus.purge_subject(BLOBS, f"{_subject(digest)}.>")

    async def list(self) -> list[str]:
        """Return the digests of all blobs."""
        subjects = await self._bus.subjects(BLOBS, "blobs.*.0.*")
        return [f"sha256:{subject.split('.')[1]}" for subject in subjects]


def _subject(digest: str, *part: int) -> str:
    kind, _, hexadecimal = digest.partition(":")
    if kind != "sha256" or len(hexadecimal) != 64 or not hexadecimal.isalnum():
        raise RejectedError(f"{digest!r} is no digest of a blob")
    return ".".join(["blobs", hexadecimal, *map(str, part)])
