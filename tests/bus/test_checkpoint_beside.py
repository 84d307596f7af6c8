"""A partition is worked on while its checkpoint is stored, and a crash meanwhile loses nothing."""

import asyncio
from typing import Any

import pytest
from bus_server import eventually
from partition_runs import all_of, concluded, expected, processing, put_in, with_alarms, worked_in

from iot_edge_anomaly.bus import processor as shell
from iot_edge_anomaly.bus.checkpoint import Checkpoint, read_manifests, write_checkpoint
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.errors import UnavailableError

pytestmark = [pytest.mark.anyio, pytest.mark.server]


class Held:
    """A checkpoint that has begun and waits for leave to be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.leave = asyncio.Event(), asyncio.Event()
        self.fails = False
        monkeypatch.setattr(shell, "write_checkpoint", self._write)

    async def _write(self, *arguments: Any) -> Checkpoint:
        self.begun.set()
        await self.leave.wait()
        if self.fails:
            self.fails = False
            raise UnavailableError("the link went")
        return await write_checkpoint(*arguments)


async def is_written(bus: Bus) -> bool:
    return bool(await read_manifests(bus, 0))


@pytest.mark.parametrize("fails", [False, True], ids=["is stored", "fails"])
async def test_work_goes_on_while_a_checkpoint_is_stored(
    nats_bus: Bus, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    held, items = Held(monkeypatch), with_alarms()
    async with processing(nats_bus):
        await put_in(nats_bus, items[:30])  # an alarm: a checkpoint is due a second later
        async with asyncio.timeout(10):
            await held.begun.wait()
        last = await put_in(nats_bus, items[30:])
        await worked_in(nats_bus, last)
        assert await read_manifests(nats_bus, 0) == []
        held.fails = fails
        held.leave.set()
        await eventually(lambda: is_written(nats_bus))
    assert concluded(all_of(await worked_in(nats_bus, last))) == await expected(nats_bus)
