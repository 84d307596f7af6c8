"""What is known of an asset as a file, in a person's name."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.historian.export import Exported, Format, What, export
from iot_edge_anomaly.historian.tail import Wanted
from iot_edge_anomaly.security.principal import Permission, Principal


@dataclass(frozen=True)
class Exports:
    """Exports, one at a time: each takes the processor and the disk for a while."""

    bus: Bus
    folder: Path
    partitions: int
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, by: Principal, key: AssetKey, what: What, form: Format, since_ns: int, out: Path) -> Exported:
        """Write the rows of an asset since a time. Raises ForbiddenError, and what `historian.export` raises."""
        by.require(Permission.READ, key.tenant)
        async with self._turn:
            return await export(self.bus, self.folder, self.partitions, Wanted(what, str(key), since_ns), form, out)
