"""What the pages Connect and System look at and act through: the parts that run behind the plant."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil  # type: ignore[import-untyped]  # has no types

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.progress import Fill, Lag, Progress, fills, lags, progress
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.operations.admit import Admit
from iot_edge_anomaly.operations.configure import Configure
from iot_edge_anomaly.operations.set_aside import SetAsideDesk
from iot_edge_anomaly.resilience.supervise import ProcessInfo
from iot_edge_anomaly.views.plant import Plant

KEPT_SECONDS = 1.5


class Standing(NamedTuple):
    """How the streams stand; `trouble` says why nothing is known of them."""

    progress: Sequence[Progress] = ()
    lags: Sequence[Lag] = ()
    fills: Sequence[Fill] = ()
    trouble: str = ""


@dataclass
class Backstage:
    """The parts of a running system. `config_file` is what `--config` named, or empty; `gateway` an address."""

    data_dir: Path
    config_file: str
    gateway: str
    address: BusAddress
    bus: Bus
    plant: Plant
    configure: Configure
    admit: Admit
    desk: SetAsideDesk
    _standing: Standing = field(default_factory=Standing)
    _asked_at: float = 0.0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def standing(self) -> Standing:
        """Return how the streams stand, asked once for all who look at the same time."""
        async with self._asking:
            if time.monotonic() - self._asked_at > KEPT_SECONDS:
                self._standing = await self._ask()
                self._asked_at = time.monotonic()
        return self._standing

    async def _ask(self) -> Standing:
        partitions = self.address.partitions
        try:
            return Standing(
                await progress(self.bus, partitions),
                await lags(self.bus, partitions),
                await fills(self.bus, self.address.quota_bytes),
            )
        except (UnavailableError, RejectedError) as error:
            return Standing(trouble=str(error))

    def processes(self) -> list["Running"]:
        """Return the processes of this system; none where no supervisor keeps a table."""
        try:
            table = (self.data_dir / "run" / "processes.json").read_bytes()
        except FileNotFoundError:
            return []
        return [_running(info) for info in msgspec.json.decode(table, type=list[ProcessInfo])]


@dataclass(frozen=True)
class Running:
    """A process as the system's own table and the machine tell it; 0 where it is down."""

    info: ProcessInfo
    seconds: float
    memory_bytes: int


def _running(info: ProcessInfo) -> Running:
    try:
        process = psutil.Process(info.pid) if info.pid else None
        if process is not None:
            return Running(info, time.time() - process.create_time(), int(process.memory_info().rss))
    except psutil.Error:
        pass  # it ended since the table was written
    return Running(info, 0.0, 0)
