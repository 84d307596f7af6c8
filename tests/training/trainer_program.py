"""A trainer as a process: ADDRESS [before|after]. With the word it is killed right before, or after, it answers."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.messages import Item
from iot_edge_anomaly.training.trainer import train


async def run(address: BusAddress, dies: str) -> None:
    async with connect(address, "trainer") as bus, open_intake(bus, address.partitions) as intake:
        if dies:
            answer = intake.accept

            async def accept(items: Sequence[Item]) -> None:
                if dies == "after":
                    await answer(items)
                os.kill(os.getpid(), signal.SIGKILL)

            intake.accept = accept  # type: ignore[method-assign]
        await train(bus, intake, address.partitions, ManualClock(1))


if __name__ == "__main__":
    asyncio.run(run(msgspec.json.decode(sys.argv[1], type=BusAddress), "".join(sys.argv[2:])))
