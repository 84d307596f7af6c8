"""Group commit: what arrives within a millisecond for one partition shares one durable publish."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from iot_edge_anomaly.bus.codec import encode_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import READINGS, readings_subject
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item, PlantConfigured, Tick
from iot_edge_anomaly.core.names import AssetKey, partition_of

GATHER_SECONDS = 0.001
GROUP_BYTES = 1 << 20
MAX_WAITING_BYTES = 64 << 20
ATTEMPTS = 2


@dataclass
class _Group:
    """What the next publish of a partition will carry, and what its callers wait for."""

    stored: "asyncio.Future[None]"
    items: list[Item] = field(default_factory=list)
    size: int = 0


class GroupCommit:
    """Hands items to the stream and returns when they are durable: the `Intake` of connectors, gateway, operations.

    Order within a partition is the order of calls: one publish a partition is under way at a time, and what arrives
    meanwhile shares the next.
    """

    def __init__(self, bus: Bus, partitions: int, tasks: asyncio.TaskGroup) -> None:
        self._bus = bus
        self._tasks = tasks
        self._groups: list[deque[_Group]] = [deque() for _ in range(partitions)]
        self._busy = [False] * partitions
        self._waiting_bytes = 0
        self._name = secrets.token_hex(8)
        self._published = 0

    async def accept(self, items: Sequence[Item]) -> None:
        """Return once every item is durable. Raises UnavailableError (nothing to be acknowledged), RejectedError."""
        by_partition: dict[int, list[Item]] = {}
        for item in items:
            for partition in self._partitions_of(item):
                by_partition.setdefault(partition, []).append(item)
        await _all([self._enqueue(partition, part) for partition, part in by_partition.items()])

    async def accept_in(self, partition: int, items: Sequence[Item]) -> None:
        """Store items in a given partition: ticks, which belong to no asset."""
        await _all([self._enqueue(partition, items)])

    def _partitions_of(self, item: Item) -> Sequence[int]:
        if isinstance(item, PlantConfigured):
            return range(len(self._groups))
        if isinstance(item, Tick):
            raise RejectedError(f"{type(item).__name__} belongs to no asset: name its partition")
        return (partition_of(AssetKey(item.tenant, item.asset), len(self._groups)),)

    def _enqueue(self, partition: int, items: Sequence[Item]) -> "asyncio.Future[None]":
        size = sum(map(_size, items))
        if size > self._bus.max_payload_bytes:
            raise RejectedError(f"{size} bytes at once are more than the {self._bus.max_payload_bytes} of a message")
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise UnavailableError("the store is slower than what comes in; try again later")
        groups = self._groups[partition]
        if not groups or groups[-1].size + size > GROUP_BYTES:
            groups.append(_Group(asyncio.get_running_loop().create_future()))
        group = groups[-1]
        group.items.extend(items)
        group.size += size
        self._waiting_bytes += size
        if not self._busy[partition]:
            self._busy[partition] = True
            self._tasks.create_task(self._drain(partition))
        return group.stored

    async def _drain(self, partition: int) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        groups = self._groups[partition]
        while groups:
            group = groups.popleft()
            try:
                await self._publish(partition, encode_items(group.items))
            except IotEdgeAnomalyError as error:
                group.stored.set_exception(error)
                group.stored.exception()  # a caller that was cancelled never looks
            else:
                group.stored.set_result(None)
            finally:
                self._waiting_bytes -= group.size
        self._busy[partition] = False

    async def _publish(self, partition: int, data: bytes) -> None:
        self._published += 1
        message_id = f"{self._name}-{self._published}"
        for attempt in range(ATTEMPTS):
            try:
                await self._bus.publish(
                    readings_subject(partition), data, message_id=message_id, expected_stream=READINGS
                )
            except UnavailableError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return


@asynccontextmanager
async def open_intake(bus: Bus, partitions: int) -> AsyncIterator[GroupCommit]:
    """Open a group commit for the time of the block; what it was handed is published before the block ends."""
    async with asyncio.TaskGroup() as tasks:
        yield GroupCommit(bus, partitions, tasks)


async def _all(stored: "Sequence[asyncio.Future[None]]") -> None:
    """Wait for every future, then raise the first failure; a caller that is cancelled takes nothing with it."""
    if len(stored) == 1:
        await asyncio.shield(stored[0])
        return
    outcomes = await asyncio.gather(*map(asyncio.shield, stored), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _size(item: Item) -> int:
    if type(item) is not Batch:
        return 4096
    columns = len(item.time_ns) + len(item.sensor) + len(item.value) + len(item.quality)
    names = sum(map(len, item.sensors)) * 4
    return 512 + columns + names + sum(len(record.raw) + 4 * len(record.reason) for record in item.set_aside)
