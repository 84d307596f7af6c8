"""Group commit: what arrives within a millisecond for one partition shares one durable publish."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from iot_edge_anomaly.bus.codec import FRAME_BYTES, encode_item, join_items
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import READINGS, readings_subject
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Item, PlantConfigured, Tick
from iot_edge_anomaly.core.names import AssetKey, partition_of

GATHER_SECONDS = 0.001
GROUP_BYTES = 1 << 20
MAX_WAITING_BYTES = 64 << 20
ATTEMPTS = 2


@dataclass(slots=True)
class _Group:
    """What the next publish of a partition will carry, and who waits for it."""

    items: list[bytes] = field(default_factory=list)
    size: int = 0
    callers: "list[asyncio.Future[None]]" = field(default_factory=list)

    def tell(self, error: IotEdgeAnomalyError | None = None) -> None:
        """Let every caller go on that still waits: the items are durable, or this went wrong."""
        for caller in self.callers:
            if caller.done():
                continue
            if error is None:
                caller.set_result(None)
            else:
                caller.set_exception(error)
        self.callers = []


class GroupCommit:
    """Hands items to the stream and returns when they are durable: the `Intake` of connectors, gateway, operations.

    Order within a partition is the order of calls: one publish a partition is under way at a time, and what arrives
    meanwhile shares the next. A call stays together in one message unless it is larger than a message may be.
    """

    def __init__(self, bus: Bus, partitions: int, tasks: asyncio.TaskGroup) -> None:
        self._bus = bus
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._groups: list[deque[_Group]] = [deque() for _ in range(partitions)]
        self._busy = [False] * partitions
        self._waiting_bytes = 0
        self._name = secrets.token_hex(8)
        self._published = 0
        self._is_open = True

    async def accept(self, items: Sequence[Item]) -> None:
        """Return once every item is durable. Raises UnavailableError (nothing to be acknowledged), RejectedError."""
        by_partition: dict[int, list[bytes]] = {}
        for item in items:
            encoded = encode_item(item)
            for partition in self._partitions_of(item):
                by_partition.setdefault(partition, []).append(encoded)
        await self._stored(by_partition)

    async def accept_in(self, partition: int, items: Sequence[Item]) -> None:
        """Store items in a given partition: ticks, which belong to no asset."""
        await self._stored({partition: [encode_item(item) for item in items]})

    def close(self) -> None:
        """Take nothing more in; what was handed in before is still published."""
        self._is_open = False

    def _partitions_of(self, item: Item) -> Sequence[int]:
        if isinstance(item, PlantConfigured):
            return range(len(self._groups))
        if isinstance(item, Tick):
            raise RejectedError(f"{type(item).__name__} belongs to no asset: name its partition")
        return (_partition_of(item.tenant, item.asset, len(self._groups)),)

    async def _stored(self, by_partition: dict[int, list[bytes]]) -> None:
        messages = [(p, part) for p, items in by_partition.items() for part in self._parts(items)]
        size = sum(len(item) for items in by_partition.values() for item in items)
        if not self._is_open:
            raise UnavailableError("nothing more is taken in: this program is stopping")
        if self._waiting_bytes and self._waiting_bytes + size > MAX_WAITING_BYTES:
            raise UnavailableError("the store is slower than what comes in; try again later")
        callers = [self._join(partition, part) for partition, part in messages]
        if len(callers) == 1:
            await callers[0]
        else:
            _raise_first(await asyncio.gather(*callers, return_exceptions=True))

    def _parts(self, items: list[bytes]) -> Iterator[list[bytes]]:
        """Cut the items of one call where they are larger than a message may be."""
        most = self._bus.max_payload_bytes - FRAME_BYTES
        part: list[bytes] = []
        size = 0
        for item in items:
            if len(item) > most:
                raise RejectedError(f"{len(item)} bytes at once are more than the {most} of a message")
            if size + len(item) > most:
                yield part
                part, size = [], 0
            part.append(item)
            size += len(item)
        if part:
            yield part

    def _join(self, partition: int, items: list[bytes]) -> "asyncio.Future[None]":
        """Add items to the last group of a partition that has room, and see that it is published."""
        size = sum(map(len, items))
        groups = self._groups[partition]
        if not groups or groups[-1].size + size > GROUP_BYTES:
            groups.append(_Group())
        group = groups[-1]
        group.items += items
        group.size += size
        caller: asyncio.Future[None] = self._loop.create_future()
        group.callers.append(caller)
        self._waiting_bytes += size
        if not self._busy[partition]:
            self._busy[partition] = True
            self._tasks.create_task(self._drain(partition)).add_done_callback(lambda task: self._ended(task, groups))
        return caller

    async def _drain(self, partition: int) -> None:
        groups = self._groups[partition]
        await asyncio.sleep(GATHER_SECONDS)
        while groups:
            await self._store(partition, groups.popleft())
        self._busy[partition] = False

    def _ended(self, task: "asyncio.Task[None]", groups: "deque[_Group]") -> None:
        """Where a drain was cancelled, perhaps before it began, let go of the callers that it leaves behind."""
        while task.cancelled() and groups:
            self._done(groups.popleft())

    async def _store(self, partition: int, group: _Group) -> None:
        try:
            await self._publish(partition, join_items(group.items))
            group.tell()
        except IotEdgeAnomalyError as error:
            group.tell(error)
        finally:
            self._done(group)

    def _done(self, group: _Group) -> None:
        """Forget a group; callers of one that was cut off are told, instead of waiting for ever."""
        self._waiting_bytes -= group.size
        group.tell(UnavailableError("this program stopped before the store had answered"))

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
        intake = GroupCommit(bus, partitions, tasks)
        try:
            yield intake
        finally:
            intake.close()


def _raise_first(outcomes: Sequence[BaseException | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


@lru_cache(maxsize=65_536)
def _partition_of(tenant: str, asset: str, partitions: int) -> int:
    return partition_of(AssetKey(tenant, asset), partitions)
