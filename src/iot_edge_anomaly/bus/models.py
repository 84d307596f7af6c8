"""The models that a partition has at hand, each with its own bytes: capsules carry those."""

from collections.abc import Callable, Collection, Mapping

import structlog

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import RejectedError

log = structlog.get_logger(__name__)

LoadModel = Callable[[bytes], Detector]


class ModelShelf:
    """Models by digest. What is missing or damaged is not on the shelf, and the step says what that means."""

    def __init__(self, blobs: Blobs, load: LoadModel) -> None:
        self._blobs = blobs
        self._load = load
        self._bytes: dict[str, bytes] = {}
        self.loaded: dict[str, Detector] = {}

    async def fetch(self, digests: Collection[str]) -> None:
        """Have these at hand."""
        for digest in set(digests) - self.loaded.keys():
            try:
                data = await self._blobs.get(digest)
                self.loaded[digest] = self._load(data)
                self._bytes[digest] = data
            except RejectedError as error:
                log.error("model cannot be used", digest=digest, error=str(error))

    def bytes_of(self, digests: Collection[str]) -> dict[str, bytes]:
        """Return those of these that are at hand, in the order of their names."""
        return {digest: self._bytes[digest] for digest in sorted(digests) if digest in self._bytes}

    def keep_only(self, digests: Collection[str]) -> None:
        """Let go of all others."""
        for digest in self.loaded.keys() - set(digests):
            del self.loaded[digest], self._bytes[digest]


def models_in(models: Mapping[str, bytes], load: LoadModel) -> dict[str, Detector]:
    """Load models that a capsule carries."""
    return {digest: load(data) for digest, data in models.items()}
