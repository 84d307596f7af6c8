"""Which asset rules are in force, for views that show limits, units and titles."""

import asyncio

import structlog

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import ASSET_RULES, CONFIGURATION
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.pipeline.settings import AssetRule, unpack_rules
from iot_edge_anomaly.views.plant import Plant

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0


async def read_rules(bus: Bus) -> tuple[AssetRule, ...]:
    """Return the rules. Raises UnavailableError, ConfigError for those of another version."""
    known = await bus.get_key(CONFIGURATION, ASSET_RULES)
    return () if known is None else unpack_rules(known[0])


async def keep_rules(bus: Bus, plant: Plant, look_seconds: float = LOOK_SECONDS) -> None:
    """Give the plant the rules in force until cancelled; while they cannot be read they stay as they were."""
    while True:
        try:
            rules = await read_rules(bus)
        except (UnavailableError, ConfigError) as error:
            log.debug("the asset rules stay as they were", error=str(error))
        else:
            if rules != plant.rules:
                plant.rules = rules
        await asyncio.sleep(look_seconds)
