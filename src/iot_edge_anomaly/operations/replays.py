"""Alarms worked out again from what was sealed of them: do they come out the same, and where do they come from?"""

import asyncio
import time
from dataclasses import dataclass, field

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.capsule import Capsule, Replay, is_recorded, open_capsule, replay
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.models import models_in
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.operations.lineage import Lineage, lineage_of
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.registry.artefact import unpack
from iot_edge_anomaly.security.principal import Permission, Principal

LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Replays:
    """Replays in threads, one at a time: each takes the processor for a while."""

    bus: Bus
    patience_seconds: float = 15.0
    """How long to wait for the capsule of an alarm just raised: it comes with the checkpoint a second or so later."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def replay(self, by: Principal, key: AssetKey, alarm_id: str) -> Replay:
        """Work an alarm that is known out again and compare bit for bit; one just raised as soon as it is sealed.

        Raises ForbiddenError, UnavailableError, or RejectedError where nothing was sealed, saying why.
        """
        by.require(Permission.READ, key.tenant)
        capsule = await self._of(key, alarm_id)
        async with self._turn:
            models = await asyncio.to_thread(models_in, capsule.models, unpack)
            return await asyncio.to_thread(replay, capsule, AnomalyPipeline(), models)

    async def lineage(self, by: Principal, key: AssetKey, alarm_id: str) -> Lineage:
        """Tell where an alarm that is known comes from; raises as `replay` does."""
        by.require(Permission.READ, key.tenant)
        capsule = await self._of(key, alarm_id)
        async with self._turn:
            models = await asyncio.to_thread(models_in, capsule.models, unpack)
            return await asyncio.to_thread(lineage_of, capsule, models)

    async def _of(self, key: AssetKey, alarm_id: str) -> Capsule:
        capsule = await self._sealed(alarm_id)
        if (capsule.tenant, capsule.asset) != (key.tenant, key.asset):
            raise RejectedError(f"{key} has no alarm {alarm_id!r}")
        return capsule

    async def _sealed(self, alarm_id: str) -> Capsule:
        deadline = time.monotonic() + self.patience_seconds
        while not await is_recorded(self.bus, alarm_id) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return await open_capsule(self.bus, Blobs(self.bus), alarm_id)
