"""The asset rules in force: those of the configuration file, then limits that people have set, which win.

Both stand in one key, changed by compare-and-set, so that of two who change them at once neither is lost. Every
partition is told what follows from it, then the rules in force are written for views to read.

| killed after | the next change, or the next start of `up`, |
|---|---|
| writing the key | tells the partitions |
| telling the partitions | tells them the same again, which changes nothing |
"""

import hashlib
from collections.abc import Callable
from glob import escape

import msgspec

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import ASSET_RULES, CONFIGURATION
from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.messages import PlantConfigured
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules

RULE_SOURCES = "assets.sources"
"""The key of what the rules in force are made from."""


class LimitsSet(msgspec.Struct, frozen=True):
    """Limits that people have set for one sensor of one asset, and who changed them last."""

    asset: str
    sensor: str
    settings: SensorSettings
    by: str
    at_ns: int
    reason: str


class Sources(msgspec.Struct, frozen=True):
    """What the rules in force are made from: the file as `up` read it last, and what people have set since ever."""

    file: tuple[AssetRule, ...] = ()
    limits: tuple[LimitsSet, ...] = ()

    @property
    def rules(self) -> tuple[AssetRule, ...]:
        """The rules in force; of those that match a sensor later ones win, key by key."""
        return (*self.file, *(_rule(each) for each in self.limits))

    def limits_of(self, key: AssetKey, sensor: str) -> SensorSettings:
        """Return what people have set for a sensor."""
        found = (each.settings for each in self.limits if (each.asset, each.sensor) == (str(key), sensor))
        return next(found, SensorSettings())

    def with_limits(self, changed: LimitsSet) -> "Sources":
        """Return the sources with these limits in place of those of the same sensor; empty ones are left out."""
        place = (changed.asset, changed.sensor)
        others = [each for each in self.limits if (each.asset, each.sensor) != place]
        kept = [*others, changed] if changed.settings != SensorSettings() else others
        return msgspec.structs.replace(self, limits=tuple(sorted(kept, key=lambda each: (each.asset, each.sensor))))


class RuleStore:
    """Changes the rules in force. Every call raises UnavailableError, and ConfigError for those of another version."""

    def __init__(self, bus: Bus, intake: Intake, clock: Clock) -> None:
        self._bus = bus
        self._intake = intake
        self._clock = clock

    async def read(self) -> Sources:
        """Return what the rules in force are made from."""
        return (await self._read())[0]

    async def change(self, edit: Callable[[Sources], Sources]) -> Sources:
        """Change the sources and return once every partition is told; `edit` is called again when it came second."""
        while True:
            sources, revision = await self._read()
            changed = edit(sources)
            if changed != sources:
                try:
                    encoded = msgspec.json.encode(changed, order="deterministic")
                    await self._bus.put_key(CONFIGURATION, RULE_SOURCES, encoded, revision=revision)
                except FencedError:
                    continue
            await self._tell()
            return changed

    async def _tell(self) -> None:
        """Tell the partitions the rules unless they know them; again where somebody changed them meanwhile."""
        while True:
            sources, revision = await self._read()
            packed = pack_rules(sources.rules)
            known = await self._bus.get_key(CONFIGURATION, ASSET_RULES)
            if known is None or known[0] != packed:
                await self._intake.accept([PlantConfigured(version_of(packed), packed, self._clock.now_ns())])
                await self._bus.put_key(CONFIGURATION, ASSET_RULES, packed)
            if (await self._read())[1] == revision:
                return

    async def _read(self) -> tuple[Sources, int]:
        found = await self._bus.get_key(CONFIGURATION, RULE_SOURCES)
        if found is None:
            return Sources(), 0
        try:
            return msgspec.json.decode(found[0], type=Sources), found[1]
        except msgspec.MsgspecError as error:
            raise ConfigError(f"the asset rules that are kept do not fit this version: {error}") from error


def version_of(packed: bytes) -> str:
    """Return the name of rules, the same for the same ones."""
    return hashlib.sha256(packed).hexdigest()[:12]


def _rule(limits: LimitsSet) -> AssetRule:
    """Return the rule for exactly this asset and sensor: names may hold what is a wildcard in a rule."""
    return AssetRule(escape(limits.asset), AssetSettings(sensors={exactly(limits.sensor): limits.settings}))


def exactly(sensor: str) -> str:
    """Return a pattern for one sensor, written as no file would: where patterns are the same, one would hide the other.

    >>> exactly("flow")
    '[f]low'
    """
    place = next((number for number, letter in enumerate(sensor) if letter not in "![*?"), None)
    if place is None:
        return escape(sensor)
    return f"{escape(sensor[:place])}[{sensor[place]}]{escape(sensor[place + 1 :])}"
