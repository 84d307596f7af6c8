"""A demo device as a process: reads one asset of the simulated plant twenty times a second, publishes over MQTT."""

from pathlib import Path
from typing import NamedTuple

import anyio
import msgspec

from iot_edge_anomaly.core.clock import Clock, SystemClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.demo.memory import Memory, keep, wake
from iot_edge_anomaly.demo.outbox import Outbox, outbox
from iot_edge_anomaly.demo.plant import PlantState, read
from iot_edge_anomaly.demo.settings import SECONDS_PER_ROW, demo_devices, device_topic

ROW_NS = round(SECONDS_PER_ROW * 1e9)
ROWS_PER_SAVE = round(1.0 / SECONDS_PER_ROW)
ROWS_BEHIND = 20
"""A device that is later than this, after a pause of the machine, leaves out the scans that it missed."""


class _Scan(NamedTuple):
    """Where the device is: the plant, the number of the next message, the time of the next row."""

    plant: PlantState
    sequence: int
    time_ns: int


async def run_device(name: str, data_dir: Path, host: str, port: int, user: str, password: str) -> None:
    """Publish one asset's readings until cancelled; go on where the last run stopped. Raises ConfigError."""
    if name not in demo_devices():
        raise ConfigError(f"there is no demo device {name!r}; there are {', '.join(demo_devices())}")
    memory = wake(data_dir, name)
    clock = SystemClock()
    scan = _Scan(memory.plant, 0, clock.now_ns() // ROW_NS * ROW_NS)
    with outbox(device_topic(name), host=host, port=port, user=user, password=password) as box:
        try:
            while True:
                scan = await _next_time(scan, clock)
                scan = _publish_row(name, memory.epoch, scan, box)
                if scan.plant.row % ROWS_PER_SAVE == 0:
                    keep(data_dir, name, Memory(scan.plant, memory.epoch))
        finally:
            keep(data_dir, name, Memory(scan.plant, memory.epoch))


async def _next_time(scan: _Scan, clock: Clock) -> _Scan:
    """Wait for the next scan. Scans come at whole multiples of their period, as a controller's do."""
    time_ns, now_ns = scan.time_ns + ROW_NS, clock.now_ns()
    if not -ROWS_BEHIND * ROW_NS <= time_ns - now_ns <= ROWS_BEHIND * ROW_NS:
        time_ns = now_ns // ROW_NS * ROW_NS + ROW_NS
    await anyio.sleep(max(time_ns - now_ns, 0) / 1e9)
    return scan._replace(time_ns=time_ns)


def _publish_row(name: str, epoch: int, scan: _Scan, box: Outbox) -> _Scan:
    """Read a row and send it. When too much waits, the row is left out and takes no number: numbers have no holes."""
    plant, reading = read(scan.plant, name)
    if not box.has_room:
        return scan._replace(plant=plant)
    row = {"time": scan.time_ns, **reading.values}
    message = {"source": f"{name}-plc", "epoch": epoch, "sequence": scan.sequence, "rows": [row]}
    box.put(msgspec.json.encode(message))
    return scan._replace(plant=plant, sequence=scan.sequence + 1)
