"""The machine this runs on, as an asset: load, memory, disks, network, temperatures."""

import os
import platform
from collections.abc import Iterator
from typing import Annotated

import anyio
import msgspec
import psutil  # type: ignore[import-untyped]  # has no types
from msgspec import Meta

from iot_edge_anomaly.component.connector import ConnectorSpec, Intake
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import batch_of
from iot_edge_anomaly.core.names import AssetKey


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="host"):
    """Readings of this very machine: processor, memory, disks, network, temperatures."""

    asset: Annotated[
        str,
        Meta(description="What the machine is called; empty: local/<its name>/host.", examples=["acme/edge-7/host"]),
    ] = ""
    seconds: Annotated[float, Meta(description="How often it is looked at.", ge=0.1, le=3600)] = 1.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.seconds <= 3600:
            raise ValueError("seconds must be from 0.1 to 3600")
        try:
            self.key()
        except RejectedError as error:
            raise ValueError(str(error)) from error

    def key(self) -> AssetKey:
        """Return the asset."""
        return AssetKey.parse(self.asset or f"local/{platform.node() or 'machine'}/host")


class HostConnector:
    """Numbers what it sends from the start of a run: what is handed in again after an outage counts once."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Look at the machine at a steady pace until cancelled."""
        epoch = clock.now_ns()
        rates = Rates()
        psutil.cpu_percent()  # the first call has nothing to compare with
        psutil.cpu_percent(percpu=True)
        sequence = 0
        following = anyio.current_time()
        while True:
            following = max(following + self._settings.seconds, anyio.current_time())
            await anyio.sleep_until(following)
            now_ns = clock.now_ns()
            readings = [(now_ns, sensor, value) for sensor, value in (*_levels(), *rates.read(now_ns))]
            await intake.accept(
                [batch_of(self._settings.key(), "host", readings, received_ns=now_ns, epoch=epoch, sequence=sequence)]
            )
            sequence += 1


def _levels() -> Iterator[tuple[str, float]]:
    yield "cpu_percent", psutil.cpu_percent()
    yield "cpu_busiest_core_percent", max(psutil.cpu_percent(percpu=True), default=0.0)
    yield "load_1min", os.getloadavg()[0]
    yield "memory_percent", psutil.virtual_memory().percent
    yield "swap_percent", psutil.swap_memory().percent
    yield "disk_used_percent", psutil.disk_usage("/").percent
    for chip, sensors in psutil.sensors_temperatures().items():
        for number, sensor in enumerate(sensors):
            yield f"temperature_{chip}_{sensor.label or number}_celsius", sensor.current


class Rates:
    """Counters of disks and network per second, against the look before; nothing at the first look."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}
        self._before_ns = 0

    def read(self, now_ns: int) -> list[tuple[str, float]]:
        """Return the rates since the last call; a counter that fell, for it started anew, has none."""
        counts = dict(_counts())
        seconds = (now_ns - self._before_ns) / 1e9
        before, self._before, self._before_ns = self._before, counts, now_ns
        if seconds <= 0:
            return []
        return [
            (f"{name}_per_second", (count - before[name]) / seconds)
            for name, count in counts.items()
            if name in before and count >= before[name]
        ]


def _counts() -> Iterator[tuple[str, float]]:
    disk, net = psutil.disk_io_counters(), psutil.net_io_counters()
    if disk is not None:  # a container may see no disk
        yield "disk_read_bytes", disk.read_bytes
        yield "disk_written_bytes", disk.write_bytes
    if net is not None:
        yield "network_received_bytes", net.bytes_recv
        yield "network_sent_bytes", net.bytes_sent


SPEC = ConnectorSpec("host", HostSettings, HostConnector)
