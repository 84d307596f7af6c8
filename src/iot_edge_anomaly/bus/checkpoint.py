"""Checkpoints: what a partition's state was at an input position. Blobs first, then the manifest that names them.

The last two manifests are kept with all that they name: where the newest is damaged, the one before still leads on.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import structlog

from iot_edge_anomaly.bus.blobs import AT_ONCE, Blobs, digest_of
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.pages import IN, read_page
from iot_edge_anomaly.bus.streams import CHECKPOINTS
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.errors import FatalError, RejectedError
from iot_edge_anomaly.core.names import AssetKey

log = structlog.get_logger(__name__)

FORMAT = 1
KEPT = 2


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
    return None if found is None else (_manifest(partition, found[0]), found[1])


async def read_manifests(bus: Bus, partition: int) -> list[tuple[Manifest, int]]:
    """Return the manifests that are kept, newest first, and their revisions. Raises FatalError as above."""
    versions = await bus.versions(CHECKPOINTS, checkpoint_key(partition))
    return [(_manifest(partition, data), revision) for data, revision in versions[: -KEPT - 1 : -1]]


def _manifest(partition: int, data: bytes) -> Manifest:
    try:
        manifest = msgspec.msgpack.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise FatalError(f"the checkpoint of partition {partition} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise FatalError(
            f"the checkpoint of partition {partition} has format {manifest.format}: another version wrote it"
        )
    return manifest


async def read_checkpoint(bus: Bus, blobs: Blobs, partition: int) -> Checkpoint:
    """Return the newest checkpoint, an empty one where there is none.

    Where blobs of it are missing, the one before does as well, if the input since is still there: working that in
    again leads to the same state. Raises RejectedError where none will do.
    """
    manifests = await read_manifests(bus, partition)
    if not manifests:
        return Checkpoint()
    there = set(await blobs.list())
    revision, troubles = manifests[0][1], list[str]()
    for manifest, _ in manifests:
        if troubles and manifest.position < (await read_page(bus, IN, partition))[0].up_to_seq:
            troubles.append(f"the input since message {manifest.position} is purged")
            continue
        try:
            assets = await _named(blobs, manifest, there)
        except RejectedError as error:
            troubles.append(str(error))
            continue
        if troubles:
            log.error("a checkpoint is damaged; the one before is used", partition=partition, missing=troubles[0])
        return Checkpoint(manifest.position, manifest.shared, assets, revision)
    raise RejectedError(
        f"no checkpoint of partition {partition} can be used ({'; '.join(troubles)}): the store is damaged. Stop the "
        "system, put a copy of the data folder in place of this one and start again"
    )


async def _named(blobs: Blobs, manifest: Manifest, there: set[str]) -> dict[AssetKey, str]:
    """Return the states that a manifest names. Raises RejectedError where one is missing."""
    assets = read_assets(await blobs.get(manifest.assets))
    missing = [f"{key} ({digest})" for key, digest in assets.items() if digest not in there]
    if missing:
        raise RejectedError(
            f"the checkpoint at message {manifest.position} lacks the state of {', '.join(missing[:3])}"
        )
    return assets


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
    assets = {**before.assets, **{key: digest_of(data) for key, data in dump.assets.items()}}
    named = msgspec.msgpack.encode({str(key): digest for key, digest in sorted(assets.items())})
    manifest = Manifest(FORMAT, position, dump.shared, digest_of(named), needed_from, tuple(sorted(models)))
    revision = await blobs.put_named(
        [*dump.assets.values(), named],
        lambda: bus.put_key(
            CHECKPOINTS, checkpoint_key(partition), msgspec.msgpack.encode(manifest), revision=before.revision
        ),
    )
    return Checkpoint(position, dump.shared, assets, revision)
