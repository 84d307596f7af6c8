"""How every connector is: for `status`, `doctor` and `/metrics`, from a file, since they matter most without a bus."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from prometheus_client import Gauge

from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.observability.told import keep_told, read_told

_LABELS = ("connector",)
UP = Gauge("iea_connector_up", "1 while a connector reaches its source and the bus", _LABELS, registry=REGISTRY)
LAST = Gauge(
    "iea_connector_last_readings_timestamp_seconds",
    "when a connector took readings in last, Unix time",
    _LABELS,
    registry=REGISTRY,
)


class ConnectorHealth(msgspec.Struct):
    """One connector. Times are Unix seconds, 0: never. `since`: in this state; counts: since the process started."""

    name: str
    state: State = State.CONNECTING
    since: float = 0.0
    last_readings: float = 0.0
    readings: int = 0
    set_aside: int = 0
    outages: int = 0
    last_error: str = ""
    last_error_at: float = 0.0

    def turn(self, state: State) -> None:
        """Note what it does now."""
        if state is not self.state or not self.since:
            self.state, self.since = state, time.time()
        UP.labels(self.name).set(state is State.UP)

    def took(self, readings: int, set_aside: int) -> None:
        """Note what came in."""
        self.readings += readings
        self.set_aside += set_aside
        self.last_readings = time.time()
        LAST.labels(self.name).set(self.last_readings)

    def failed(self, why: str) -> None:
        """Note what went wrong."""
        self.last_error, self.last_error_at = why, time.time()


async def keep_health(connectors: Sequence[ConnectorHealth], data_dir: Path) -> None:
    """Leave how the connectors are for others to read, until cancelled."""
    await keep_told(_path(data_dir), lambda: connectors)


def read_health(data_dir: Path) -> tuple[ConnectorHealth, ...]:
    """Return how the connectors of a data folder are; none where no process keeps telling."""
    return read_told(_path(data_dir), tuple[ConnectorHealth, ...]) or ()


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "connectors.json"
