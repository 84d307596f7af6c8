"""Checkpoints: what a partition's state was at an input position. Blobs first, then the manifest that names them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import CHECKPOINTS
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.core.names import AssetKey

FORMAT = 1
AT_ONCE = 16


class Manifest(msgspec.Struct, frozen=True):
    """The newest checkpoint of a partition. `assets` is the digest of a blob: asset name to digest of its state.

    `needed_from`: the oldest input that is still to be learned from. `models`: those in use.
    """

    format: int
    position: int
    shared: bytes
    assets: str
    needed_from: int | None
    models: tuple[str, ...]


@dataclass
class Checkpoint:
    """A manifest as it was read, and the revision that the next one must replace."""

    position: int = 0
    shared: bytes | None = None
    assets: dict[AssetKey, str] = field(default_factory=dict)
    revision: int = 0


def checkpoint_key(partition: int) -> str:
    """Return the key of a partition's manifest."""
    return f"partition.{partition}"


async def read_manifest(bus: Bus, partition: int) -> tuple[Manifest, int] | None:
    """Return the newest manifest and its revision. Raises FatalError for a version newer than this program."""
    found = await bus.get_key(CHECKPOINTS, checkpoint_key(partition))
    if found is None:
        return None
    try:
        manifest = msgspec.msgpack.decode(found[0], type=Manifest)
    except msgspec.MsgspecError as error:
        raise FatalError(f"the checkpoint of partition {partition} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise FatalError(
            f"the checkpoint of partition {partition} has format {manifest.format}: another version wrote it"
        )
    return manifest, found[1]


async def read_checkpoint(bus: Bus, blobs: Blobs, partition: int) -> Checkpoint:
    """Return the newest checkpoint, an empty one where there is none."""
    found = await read_manifest(bus, partition)
    if found is None:
        return Checkpoint()
    manifest, revision = found
    assets = read_assets(await blobs.get(manifest.assets))
    return Checkpoint(manifest.position, manifest.shared, assets, revision)


def read_assets(data: bytes) -> dict[AssetKey, str]:
    """Read the blob that names the states."""
    return {AssetKey.parse(name): digest for name, digest in msgspec.msgpack.decode(data, type=dict[str, str]).items()}


async def load_states(blobs: Blobs, assets: Mapping[AssetKey, str]) -> dict[AssetKey, bytes]:
    """Return the state of every asset."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def load(digest: str) -> bytes:
        async with limit:
            return await blobs.get(digest)

    states = await asyncio.gather(*map(load, assets.values()))
    return dict(zip(assets, states, strict=True))


async def write_checkpoint(
    bus: Bus,
    blobs: Blobs,
    partition: int,
    before: Checkpoint,
    position: int,
    dump: Dump,
    needed_from: int | None,
    models: set[str],
) -> Checkpoint:
    """Store what changed, then the manifest. Raises FencedError if somebody else wrote one meanwhile."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def store(data: bytes) -> str:
        async with limit:
            return await blobs.put(data)

    digests = await asyncio.gather(*map(store, dump.assets.values()))
    assets = {**before.assets, **dict(zip(dump.assets, digests, strict=True))}
    named = await blobs.put(msgspec.msgpack.encode({str(key): digest for key, digest in sorted(assets.items())}))
    manifest = Manifest(FORMAT, position, dump.shared, named, needed_from, tuple(sorted(models)))
    revision = await bus.put_key(
        CHECKPOINTS, checkpoint_key(partition), msgspec.msgpack.encode(manifest), revision=before.revision
    )
    return Checkpoint(position, dump.shared, assets, revision)
