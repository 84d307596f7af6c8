"""Transitions of alarms as they come out of the view database, and feeds that a test fills."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Contributor, Priority

AT = 1_767_225_600_123_000_000


def posting(
    position: int,
    number: int = 0,
    *,
    partition: int = 0,
    key: AssetKey = AssetKey("acme", "site-1/hall 2/pump-7"),  # noqa: B008 - a frozen value
    event: str = "raise",
    priority: Priority = Priority.HIGH,
    **more: object,
) -> Posting:
    said = AlarmEvent(
        f"A{position:06x}{number:06x}",
        "I1",
        "score",
        event,
        AlarmState.UNACKNOWLEDGED if event == "return" else AlarmState.NORMAL,
        AlarmState.RETURNED if event == "return" else AlarmState.UNACKNOWLEDGED,
        AT + position * 1_000_000_000,
        priority,
        "flow 0.8 l/s below what speed predicts",
        2.5,
        1.0,
        (Contributor("flow", 0.7, 3.1, 3.9, "l/s"), Contributor("speed", 0.3, 1480.0, float("nan"), "1/min")),
    )
    return Posting(key, msgspec.structs.replace(said, **more), partition, position, number)


def postings(count: int, partition: int = 0) -> list[Posting]:
    """Return transitions of a few assets, several a commit."""
    return [
        posting(
            10 * (n // 3) + 1,
            n % 3,
            partition=partition,
            key=AssetKey("acme", f"site-1/pump-{n % 5}"),
            event=("raise", "return")[n % 2],
        )
        for n in range(count)
    ]


class ListFeed:
    """A feed that a test fills, and can break."""

    def __init__(self, held: Sequence[Posting] = ()) -> None:
        self.held = list(held)
        self.is_down = False
        self.reads = 0
        self.lacking = 0

    async def after(self, partition: int, position: int, number: int, limit: int) -> Sequence[Posting]:
        self.reads += 1
        if self.is_down:
            raise UnavailableError("the view database is not there")
        here = [one for one in self.held if one.partition == partition]
        return [one for one in here if (one.position, one.number) > (position, number)][:limit]

    async def missing(self, partition: int) -> int:
        return self.lacking


def write_feed(path: Path, held: Sequence[Posting]) -> None:
    """Leave transitions for a process to read."""
    path.write_bytes(msgspec.msgpack.encode(held))


def read_feed(path: Path) -> list[Posting]:
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Posting])
