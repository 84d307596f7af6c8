"""A command's look into a running system, in the name of the owner of its data folder.

What databases are read with is loaded when a command looks: the roles that are commands too are to stay light.
"""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.settings import BusAddress, read_address
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.rule_store import RuleStore
from iot_edge_anomaly.security.principal import Principal, owner
from iot_edge_anomaly.views.follow import read_plant
from iot_edge_anomaly.views.plant import Plant
from iot_edge_anomaly.views.rules import read_rules

if TYPE_CHECKING:
    from iot_edge_anomaly.views.records_store import Records


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    bus: Bus
    address: BusAddress
    plant: Plant
    operations: Operations
    who: Principal
    records: "Records"


@asynccontextmanager
async def opened(data_dir: Path) -> AsyncIterator[Session]:
    """Connect and read what is known of the plant. Raises ConfigError when nothing runs there, UnavailableError."""
    from iot_edge_anomaly.storage.database import open_database, view_database
    from iot_edge_anomaly.views.records_store import Records

    address = read_address(data_dir)
    async with connect(address, "command") as bus, open_intake(bus, address.partitions) as intake:
        plant = Plant(await read_rules(bus))
        await read_plant(bus, address.partitions, plant)
        records, clock = Records(open_database(view_database(data_dir))), SystemClock()
        operations = Operations(plant, intake, clock, RuleStore(bus, intake, clock), records)
        yield Session(bus, address, plant, operations, owner(getpass.getuser()), records)
