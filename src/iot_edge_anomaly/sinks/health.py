"""How every sink is: for `status`, `doctor` and `/metrics`, from a file, since they matter most without a bus."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from prometheus_client import Gauge

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.observability.told import keep_told, read_told
from iot_edge_anomaly.sinks.wording import AlarmMessage, message

_LABELS = ("sink",)
UP = Gauge("iea_sink_up", "1 while a sink reaches its target and the store", _LABELS, registry=REGISTRY)
LAST = Gauge(
    "iea_sink_last_delivery_timestamp_seconds", "when a target took something last, Unix time", _LABELS,
    registry=REGISTRY,
)  # fmt: skip
WAITING = Gauge("iea_sink_backlog", "transitions that wait for a sink", _LABELS, registry=REGISTRY)
OLDEST = Gauge(
    "iea_sink_backlog_age_seconds", "how long ago the oldest of those happened; 0: there are none", _LABELS,
    registry=REGISTRY,
)  # fmt: skip


class Stuck(msgspec.Struct, frozen=True):
    """The one transition that a target does not take, though it may yet; and its place."""

    partition: int
    position: int
    number: int
    message: AlarmMessage


class SinkHealth(msgspec.Struct):
    """One sink. Times are Unix seconds, 0: never. `since`: in this state; counts: since the process started.

    `waiting` transitions were not handed on yet, of which the oldest happened at `oldest`. `stuck`: what the last
    attempt failed with, while it is down; None where it failed otherwise.
    """

    name: str
    state: State = State.CONNECTING
    since: float = 0.0
    last_delivery: float = 0.0
    delivered: int = 0
    set_aside: int = 0
    outages: int = 0
    waiting: int = 0
    oldest: float = 0.0
    last_error: str = ""
    last_error_at: float = 0.0
    stuck: Stuck | None = None

    def turn(self, state: State) -> None:
        """Note what it does now."""
        if state is not self.state or not self.since:
            self.state, self.since = state, time.time()
        UP.labels(self.name).set(state is State.UP)

    def took(self, count: int) -> None:
        """Note what the target took."""
        self.delivered += count
        self.last_delivery = time.time()
        LAST.labels(self.name).set(self.last_delivery)

    def waits(self, count: int, oldest_ns: int) -> None:
        """Note what waits."""
        self.waiting, self.oldest = count, oldest_ns / 1e9
        WAITING.labels(self.name).set(count)
        OLDEST.labels(self.name).set(max(time.time() - self.oldest, 0.0) if count else 0.0)

    def failed(self, why: str) -> None:
        """Note what went wrong."""
        self.last_error, self.last_error_at = why, time.time()


def stuck_at(posting: Posting) -> Stuck:
    """Return what is told of the transition that a sink is stuck at."""
    return Stuck(posting.partition, posting.position, posting.number, message(posting))


async def keep_health(told: Callable[[], tuple[SinkHealth, ...]], data_dir: Path) -> None:
    """Leave how the sinks are for others to read, until cancelled."""
    await keep_told(_path(data_dir), told)


def read_health(data_dir: Path) -> tuple[SinkHealth, ...]:
    """Return how the sinks of a data folder are; none where no process keeps telling."""
    return read_told(_path(data_dir), tuple[SinkHealth, ...]) or ()


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "sinks.json"
