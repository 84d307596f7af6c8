"""How an asset is treated: grid, lateness, limits, budget. Of the rules that match it, later ones win key by key."""

from fnmatch import fnmatchcase
from functools import reduce

import msgspec

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.names import AssetKey


class SensorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a sensor. Limits in its own unit; `low`/`high` is the physical range: outside is no reading."""

    unit: str | None = None
    title: str | None = None
    low: float | None = None
    high: float | None = None
    high_high_limit: float | None = None
    high_limit: float | None = None
    low_limit: float | None = None
    low_low_limit: float | None = None
    deadband: float | None = None
    stuck_seconds: float | None = None
    silence_seconds: float | None = None


class AssetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an `[[asset]]` table of the configuration file may say; None means: as the rules before say."""

    grid_seconds: float | None = None
    lateness_seconds: float | None = None
    hold_seconds: float | None = None
    silence_seconds: float | None = None
    stuck_seconds: float | None = None
    learn_rows: int | None = None
    false_alarms_per_week: float | None = None
    detector: str | None = None
    on_delay_rows: int | None = None
    off_delay_rows: int | None = None
    sensors: dict[str, SensorSettings] = {}


DEFAULTS = AssetSettings(
    grid_seconds=1.0,
    lateness_seconds=2.0,
    hold_seconds=60.0,
    silence_seconds=300.0,
    stuck_seconds=0.0,
    learn_rows=300,
    false_alarms_per_week=1.0,
    detector="linear",
    on_delay_rows=3,
    off_delay_rows=10,
)
"""What holds where no rule says otherwise. A `stuck_seconds` or `silence_seconds` of 0 switches that watch off."""


class AssetRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings for every asset whose full name matches `match` (shell wildcards; `*` crosses slashes)."""

    match: str
    settings: AssetSettings


def settings_for(key: AssetKey, rules: tuple[AssetRule, ...]) -> AssetSettings:
    """Return the settings of an asset: the defaults, then each matching rule in order."""
    name = str(key)
    return reduce(_over, (rule.settings for rule in rules if fnmatchcase(name, rule.match)), DEFAULTS)


def sensor_settings(settings: AssetSettings, sensor: str) -> SensorSettings:
    """Return what is known of a sensor; `sensors` keys are patterns, later ones win key by key."""
    matching = (known for pattern, known in settings.sensors.items() if fnmatchcase(sensor, pattern))
    start = SensorSettings(stuck_seconds=settings.stuck_seconds, silence_seconds=settings.silence_seconds)
    return reduce(_over_sensor, matching, start)


def _over(below: AssetSettings, above: AssetSettings) -> AssetSettings:
    said = {name: value for name in _names(above) if (value := getattr(above, name)) is not None and name != "sensors"}
    return msgspec.structs.replace(below, **said, sensors={**below.sensors, **above.sensors})


def _over_sensor(below: SensorSettings, above: SensorSettings) -> SensorSettings:
    said = {name: value for name in _names(above) if (value := getattr(above, name)) is not None}
    return msgspec.structs.replace(below, **said)


def _names(settings: msgspec.Struct) -> tuple[str, ...]:
    return settings.__struct_fields__


def pack_rules(rules: tuple[AssetRule, ...]) -> bytes:
    """Write rules for a `PlantConfigured` message."""
    return msgspec.json.encode(rules, order="deterministic")


def unpack_rules(packed: bytes) -> tuple[AssetRule, ...]:
    """Read what `pack_rules` wrote. Raises ConfigError."""
    try:
        return msgspec.json.decode(packed, type=tuple[AssetRule, ...])
    except msgspec.MsgspecError as error:
        raise ConfigError(f"asset rules do not fit this version: {error}") from error
