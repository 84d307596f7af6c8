"""How every asset stood at the last checkpoint of its partition."""

import structlog

from iot_edge_anomaly.alarms.book import standing
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import load_states, read_checkpoint
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.views.plant import Plant, Standing

log = structlog.get_logger(__name__)


async def read_standing(bus: Bus, partitions: int, plant: Plant) -> None:
    """Take in what the checkpoints know. Raises UnavailableError."""
    for partition in range(partitions):
        try:
            await _read(bus, Blobs(bus), partition, plant)
        except RejectedError as error:  # a newer checkpoint replaced it just now
            log.info(
                "a checkpoint is gone; its partition is shown by its commits", partition=partition, error=str(error)
            )


async def standing_commit(bus: Bus, partition: int) -> Commit:
    """Return the open alarms of the last checkpoint of a partition as if one commit told of all. Raises as above."""
    plant = Plant()
    try:
        await _read(bus, Blobs(bus), partition, plant)
    except RejectedError as error:
        log.info("a checkpoint is gone; what stands is not known", partition=partition, error=str(error))
    outcomes = (
        AssetOutcome(
            asset.key.tenant, asset.key.asset, asset.phase, asset.progress, alarms=tuple(a.latest for a in asset.alarms)
        )
        for asset in plant.assets()
    )
    return Commit(partition, 0, 0, 0, tuple(outcomes))


async def _read(bus: Bus, blobs: Blobs, partition: int, plant: Plant) -> None:
    checkpoint = await read_checkpoint(bus, blobs, partition)
    if checkpoint.shared is None:
        return
    state = AnomalyPipeline().load(checkpoint.shared, await load_states(blobs, checkpoint.assets))
    for key, asset in state.assets.items():
        plant.begin_with(key, _standing(asset))


def _standing(asset: Asset) -> Standing:
    return Standing(
        asset.phase,
        asset.progress,
        max((time_ns for time_ns in asset.last_ns.tolist() if time_ns > LONG_AGO_NS), default=0),
        asset.model,
        max((time_ns for time_ns in asset.heard_ns.tolist() if time_ns > LONG_AGO_NS), default=0),
        asset.book.maintenance_until_ns,
        standing(asset.book, asset.profile.version),
        asset.alarm_level,
    )
