"""Watch for broken promises of few false alarms: a gauge, and a line in the log where one breaks or holds again.

No asset is a label of the gauge, for there may be thousands; the log names them, and the page Budget shows them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
from prometheus_client import Gauge

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.clock import Clock, SystemClock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.observability.signals import PREFIX, Level, Signal
from iot_edge_anomaly.pipeline.settings import AssetRule, promised_per_week, settings_for
from iot_edge_anomaly.storage.database import open_database
from iot_edge_anomaly.views.promise import WEEKS, Promise, broken, promises
from iot_edge_anomaly.views.records import DAY_NS
from iot_edge_anomaly.views.records_store import Records
from iot_edge_anomaly.views.rules import read_rules

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0
BROKEN_NOW = Gauge(f"{PREFIX}_budget_broken", "assets whose false-alarm promise is broken", registry=REGISTRY)
BROKE = Signal("budget_breaks", "the false-alarm promise of an asset is broken", Level.WARNING)
HOLDS = Signal("budget_recoveries", "the false-alarm promise of an asset is not broken any more", Level.INFO)


def broken_promises(records: Records, rules: tuple[AssetRule, ...], now_ns: int) -> list[Promise]:
    """Return the promises that are broken over the last weeks. Raises UnavailableError. Call it in a thread."""

    def promised(key: AssetKey) -> float:
        return promised_per_week(settings_for(key, rules))

    end_ns = (now_ns // DAY_NS + 1) * DAY_NS
    learned = records.learned_since_model("*", end_ns - WEEKS * 7 * DAY_NS, end_ns)
    return broken(promises(learned, promised).values())


@dataclass
class Broken:
    """The assets that are known to have a broken promise, and tells of each once."""

    known: set[AssetKey] = field(default_factory=set)

    def update(self, found: Sequence[Promise]) -> None:
        """Tell how many there are, which are new, and which are not among them any more."""
        BROKEN_NOW.set(len(found))
        for promise in found:
            if promise.key not in self.known:
                BROKE.emit(asset=str(promise.key), figures=promise.words)
        now = {promise.key for promise in found}
        for key in sorted(self.known - now):
            HOLDS.emit(asset=str(key))
        self.known = now


async def watch_promises(bus: Bus, where: str | Path, clock: Clock | None = None) -> None:
    """Look again and again until cancelled; while something cannot be read, what was told stands."""
    records, clock, told = Records(open_database(where)), clock or SystemClock(), Broken()
    while True:
        try:
            rules = await read_rules(bus)
            told.update(await asyncio.to_thread(partial(broken_promises, records, rules, clock.now_ns())))
        except (UnavailableError, ConfigError) as error:
            log.debug("whether promises hold is not known", error=str(error))
        await asyncio.sleep(LOOK_SECONDS)
