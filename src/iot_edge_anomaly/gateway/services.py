"""The live parts that routes work with, opened when the server starts and closed when it stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import structlog

from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.settings import BusAddress, read_address
from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import FatalError, UnavailableError
from iot_edge_anomaly.gateway.models import Models
from iot_edge_anomaly.gateway.recent import Recent
from iot_edge_anomaly.gateway.scoring import Scoring
from iot_edge_anomaly.observability.health import Check
from iot_edge_anomaly.observability.metrics import keep_snapshot, metrics_folder
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.rule_store import RuleStore
from iot_edge_anomaly.operations.set_aside import SetAsideDesk
from iot_edge_anomaly.views.follow import CatchUp, follow_plant
from iot_edge_anomaly.views.plant import Plant
from iot_edge_anomaly.views.rules import keep_rules

if TYPE_CHECKING:
    from iot_edge_anomaly.views.records_store import Records

ROLE = "gateway"
log = structlog.get_logger(__name__)


@dataclass
class Followed:
    """The plant as it is followed; `fault` says why it is not any more."""

    plant: Plant
    catch_up: CatchUp = field(default_factory=CatchUp)
    fault: str = ""

    @property
    def trouble(self) -> str:
        """Why the plant cannot be told now; empty: it can."""
        return self.fault or ("" if self.catch_up.is_done else "what is stored is still being read; try again soon")


@dataclass(frozen=True)
class Services:
    """What the gateway can reach."""

    data_dir: Path
    address: BusAddress
    bus: Bus
    intake: Intake
    recent: Recent
    models: Models
    scoring: Scoring
    followed: Followed
    operations: Operations
    desk: SetAsideDesk
    records: "Records"

    @property
    def plant(self) -> Plant:
        """The plant as of the newest commits. Raises UnavailableError rather than tell what is out of date."""
        if self.followed.trouble:
            raise UnavailableError(self.followed.trouble)
        self.require_bus()
        return self.followed.plant

    def require_bus(self) -> None:
        """Return if the bus can be reached now. Raises UnavailableError at once instead of after a time-out."""
        if not self.bus.is_connected:
            raise UnavailableError("the bus is down")

    def checks(self) -> tuple[Check, ...]:
        """Return the facts that readiness rests on."""
        connected = self.bus.is_connected
        trouble = self.followed.trouble
        return (
            Check("bus", connected, "connected" if connected else "cannot be reached; is the broker up?"),
            Check("plant", not trouble, trouble or "followed"),
        )


@asynccontextmanager
async def open_services(data_dir: Path) -> AsyncIterator[Services]:
    """Connect to the bus of a data folder. Raises ConfigError, UnavailableError.

    What databases are read with is loaded here: a role that only knows how to start a gateway is to stay light.
    """
    from iot_edge_anomaly.storage.database import open_database, view_database
    from iot_edge_anomaly.views.records_store import Records

    address = read_address(data_dir)
    async with (
        connect(address, ROLE) as bus,
        open_intake(bus, address.partitions) as intake,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(keep_snapshot, ROLE, metrics_folder(data_dir))
        plant = Plant()
        followed = Followed(plant)
        tasks.start_soon(_follow, bus, address.partitions, followed)
        tasks.start_soon(keep_rules, bus, plant)
        records, clock = Records(open_database(view_database(data_dir))), SystemClock()
        operations = Operations(plant, intake, clock, RuleStore(bus, intake, clock), records)
        desk = SetAsideDesk(plant, bus, intake, clock)
        models = Models(bus)
        yield Services(data_dir, address, bus, intake, Recent(), models, Scoring(), followed, operations, desk, records)
        tasks.cancel_scope.cancel()


async def _follow(bus: Bus, partitions: int, followed: Followed) -> None:
    """Follow the plant; readings are taken in even when what they led to cannot be read."""
    try:
        await follow_plant(bus, partitions, followed.plant, catch_up=followed.catch_up)
    except* FatalError as errors:
        followed.fault = str(errors.exceptions[0])
        log.error("the plant cannot be followed any more", error=followed.fault)
