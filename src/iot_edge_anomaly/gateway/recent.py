"""Which numbered batches this process stored lately, to tell a sender about a repeat at once."""

from iot_edge_anomaly.core.messages import UNNUMBERED, Batch

REMEMBERED = 65_536


class Recent:
    """Identities of the numbered batches that this process stored last."""

    def __init__(self, capacity: int = REMEMBERED) -> None:
        self._capacity = capacity
        self._seen: dict[tuple[str, str, str, int, int], None] = {}

    def has(self, batch: Batch) -> bool:
        """Tell whether the batch was stored before."""
        return batch.sequence != UNNUMBERED and _identity(batch) in self._seen

    def add(self, batch: Batch) -> None:
        """Remember a batch that is durable now."""
        if batch.sequence == UNNUMBERED:
            return
        self._seen[_identity(batch)] = None
        if len(self._seen) > self._capacity:
            del self._seen[next(iter(self._seen))]


def _identity(batch: Batch) -> tuple[str, str, str, int, int]:
    return batch.tenant, batch.source, batch.asset, batch.epoch, batch.sequence
