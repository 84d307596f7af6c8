"""Runs connectors side by side; starts each again when its source or the bus was gone. One never stops another."""

import random
import traceback
from collections.abc import Mapping, Sequence

import anyio

from iot_edge_anomaly.component.connector import Connector, Intake
from iot_edge_anomaly.connectors.health import ConnectorHealth
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.resilience import pauses

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""What fails after a run of this length fails for the first time again."""

_LABELS = ("connector",)
READINGS = Signal("connector_readings", "values that connectors took in", Level.COUNTED, _LABELS)
SET_ASIDE = Signal("connector_readings_set_aside", "values set aside among them", Level.COUNTED, _LABELS)
LOST = Signal(
    "connector_outages", "connector has lost its source or the bus; it is tried again", Level.WARNING, _LABELS
)
CHANGED = Signal(
    "connector_outage_changes", "connector is still without its source, now for another reason", Level.WARNING, _LABELS
)
BACK = Signal("connector_recoveries", "connector takes readings in again", Level.INFO, _LABELS)
FAILED = Signal(
    "connector_failures", "connector failed in a way nobody foresaw; it is tried again", Level.ERROR, _LABELS
)
STOPPED = Signal("connector_stops", "connector stopped: its configuration cannot work", Level.ERROR, _LABELS)


async def run_all(
    connectors: Mapping[str, Connector], intake: Intake, clock: Clock, health: Mapping[str, ConnectorHealth]
) -> None:
    """Run every connector until cancelled, or until none is left; logs show them by their names here.

    How each is doing is noted in `health`, under the same name.
    """
    async with anyio.create_task_group() as tasks:
        for name, connector in connectors.items():
            tasks.start_soon(_KeptUp(connector, intake, health[name]).run, clock)


def longest_pause(failures: int) -> float:
    """Return how long to wait at most after so many failures in a row."""
    return pauses.longest_pause(failures, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)


class _KeptUp:
    """One connector, attempt after attempt; and its intake, which shows when it is up again."""

    def __init__(self, connector: Connector, intake: Intake, health: ConnectorHealth) -> None:
        self._name = health.name
        self._connector = connector
        self._intake = intake
        self._health = health
        self._failures = 0
        self._why = ""

    async def accept(self, items: Sequence[Item]) -> None:
        """Hand items on."""
        await self._intake.accept(items)
        if items:
            self._count(items)
            self._failures = 0
        self._health.turn(State.UP)
        if self._why:
            self._why = ""
            BACK.emit(connector=self._name)

    async def run(self, clock: Clock) -> None:
        """Run until cancelled, or until the configuration proves unworkable."""
        self._health.turn(State.CONNECTING)
        while True:
            began = anyio.current_time()
            try:
                await self._connector.run(self, clock)
            except ConfigError as error:
                self._health.failed(str(error))
                self._health.turn(State.STOPPED)
                STOPPED.emit(connector=self._name, why=str(error))
                return
            except UnavailableError as error:
                if self._is_new(str(error)):
                    (CHANGED if self._health.state is State.DOWN else LOST).emit(connector=self._name, why=str(error))
                self._down(str(error))
            except Exception as error:  # noqa: BLE001 - a mistake in one connector must not stop the others
                if self._is_new(repr(error)):
                    FAILED.emit(connector=self._name, why=str(error), trace=traceback.format_exc())
                self._down(repr(error))
            if anyio.current_time() - began > STEADY_SECONDS:
                self._failures = 0
            self._failures += 1
            await anyio.sleep(random.uniform(0, longest_pause(self._failures)))  # noqa: S311 - jitter, no secret

    def _count(self, items: Sequence[Item]) -> None:
        batches = [item for item in items if isinstance(item, Batch)]
        accepted = sum(batch.accepted for batch in batches)
        READINGS.emit(accepted, connector=self._name)
        aside = sum(record.count for batch in batches for record in batch.set_aside)
        if aside:
            SET_ASIDE.emit(aside, connector=self._name)
        self._health.took(accepted, aside)

    def _is_new(self, why: str) -> bool:
        """Tell whether this is to be said: once, and again when the reason is another one."""
        return why != self._why

    def _down(self, why: str) -> None:
        self._why = why
        self._health.failed(why)
        self._health.outages += self._health.state is not State.DOWN
        self._health.turn(State.DOWN)
