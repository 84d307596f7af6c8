"""Fitted models, loaded once and kept: they are immutable and named by their digest."""

from typing import NamedTuple

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.registry.artefact import read_manifest, unpack

KEPT = 256


class Model(NamedTuple):
    """A fitted detector, and whose data it was learned from ("" where it does not say)."""

    detector: Detector
    tenant: str


class Models:
    """The models of a bus; the ones used last are kept in memory."""

    def __init__(self, bus: Bus) -> None:
        self._blobs = Blobs(bus)
        self._kept: dict[str, Model] = {}

    async def get(self, digest: str) -> Model:
        """Return a model. Raises RejectedError where there is none, UnavailableError."""
        model = self._kept.pop(digest, None)
        if model is None:
            artefact = await self._blobs.get(digest)
            model = Model(unpack(artefact), read_manifest(artefact).facts.asset.partition("/")[0])
        self._kept[digest] = model
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return model
