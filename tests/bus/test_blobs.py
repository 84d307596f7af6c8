"""Blobs: named by their digest, whole or not there, and never believed unread."""

import hashlib
import os

import pytest

from iot_edge_anomaly.bus.blobs import PART_BYTES, Blobs, digest_of
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.errors import RejectedError

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@pytest.fixture
def blobs(nats_bus: Bus) -> Blobs:
    return Blobs(nats_bus)


def subject(digest: str, part: int, parts: int) -> str:
    return f"blobs.{digest.removeprefix('sha256:')}.{part}.{parts}"


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 7])
async def test_a_blob_comes_back_byte_for_byte_under_its_own_digest(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)
    digest = await blobs.put(data)
    assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert await blobs.get(digest) == data


async def test_putting_twice_keeps_one_and_deleting_removes_it(blobs: Blobs) -> None:
    data, other = os.urandom(PART_BYTES + 1), b"other"
    digests = {await blobs.put(data), await blobs.put(data), await blobs.put(other)}
    assert digests == {digest_of(data), digest_of(other)}
    assert set(await blobs.list()) == digests
    await blobs.delete(digest_of(data))
    await blobs.delete(digest_of(data))
    assert await blobs.list() == [digest_of(other)]
    with pytest.raises(RejectedError, match="no blob"):
        await blobs.get(digest_of(data))


async def test_bytes_that_do_not_match_the_digest_are_refused(nats_bus: Bus, blobs: Blobs) -> None:
    digest = await blobs.put(b"what was signed")
    await nats_bus.publish(subject(digest, 0, 1), b"what was put in its place")
    with pytest.raises(RejectedError, match="damaged"):
        await blobs.get(digest)


async def test_a_blob_that_lacks_a_part_is_refused(nats_bus: Bus, blobs: Blobs) -> None:
    digest = await blobs.put(os.urandom(2 * PART_BYTES + 1))
    await nats_bus.purge_subject("BLOBS", subject(digest, 1, 3))
    with pytest.raises(RejectedError, match="lacks part 1 of 3"):
        await blobs.get(digest)


async def test_a_blob_is_not_listed_before_all_of_it_is_there(nats_bus: Bus, blobs: Blobs) -> None:
    digest = digest_of(b"ab")
    await nats_bus.publish(subject(digest, 1, 2), b"b")
    assert await blobs.list() == []
    with pytest.raises(RejectedError, match="no blob"):
        await blobs.get(digest)
    await nats_bus.publish(subject(digest, 0, 2), b"a")
    assert await blobs.get(digest) == b"ab"


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:*", "md5:" + 32 * "a", "sha256:" + 63 * "a" + ">"])
async def test_what_is_no_digest_names_no_blob(blobs: Blobs, digest: str) -> None:
    for call in (blobs.get, blobs.delete):
        with pytest.raises(RejectedError, match="no digest"):
            await call(digest)
