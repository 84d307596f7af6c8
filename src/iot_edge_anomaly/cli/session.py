"""A command's look into a running system, in the name of the owner of its data folder."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from iot_edge_anomaly.app.roles import rules_of
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.settings import BusAddress, read_address
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.security.principal import Principal, owner
from iot_edge_anomaly.views.follow import read_plant
from iot_edge_anomaly.views.plant import Plant


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    bus: Bus
    address: BusAddress
    plant: Plant
    operations: Operations
    who: Principal


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[Session]:
    """Connect and read what is known of the plant. Raises ConfigError when nothing runs there, UnavailableError."""
    address = read_address(data_dir)
    async with connect(address, "command") as bus, open_intake(bus, address.partitions) as intake:
        plant = Plant(await rules_of(bus))
        await read_plant(bus, address.partitions, plant)
        yield Session(bus, address, plant, Operations(plant, intake, SystemClock()), owner(getpass.getuser()))
