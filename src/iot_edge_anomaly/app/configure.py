"""Bring the asset rules of the configuration file into the stream, once per change; what people have set stays."""

from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import structlog

from iot_edge_anomaly.app.additions import changes
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.operations.configure import added_file
from iot_edge_anomaly.operations.rule_store import RuleStore, version_of
from iot_edge_anomaly.pipeline.settings import AssetRule, pack_rules

RETRY_SECONDS = 1.0
log = structlog.get_logger(__name__)


async def publish_configuration(bus: Bus, partitions: int, rules: tuple[AssetRule, ...]) -> str:
    """Tell every partition the rules that are in force with these of the file; return their version."""
    async with open_intake(bus, partitions) as intake:
        store = RuleStore(bus, intake, SystemClock())
        sources = await store.change(lambda known: msgspec.structs.replace(known, file=rules))
    return version_of(pack_rules(sources.rules))


async def keep_configured(
    bus: Bus, partitions: int, rules: Callable[[], tuple[AssetRule, ...]], data_dir: Path
) -> None:
    """Publish the rules again whenever what is set up in the console changes, until cancelled."""
    async for _ in changes(added_file(data_dir)):
        try:
            wanted = rules()
        except ConfigError as error:
            log.error("what is set up in the console cannot be used; asset rules stay as they were", why=str(error))
            continue
        while not await _is_published(bus, partitions, wanted):
            await anyio.sleep(RETRY_SECONDS)


async def _is_published(bus: Bus, partitions: int, rules: tuple[AssetRule, ...]) -> bool:
    try:
        await publish_configuration(bus, partitions, rules)
    except UnavailableError:
        return False
    return True
