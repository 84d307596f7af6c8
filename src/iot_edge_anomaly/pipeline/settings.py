"""How an asset is treated: grid, lateness, limits, budget. Of the rules that match it, later ones win key by key."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import reduce
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.local_time import UTC, zone_of
from iot_edge_anomaly.core.names import AssetKey, sensor_name
from iot_edge_anomaly.pipeline.shifts import SHIFT, check

NotNegative = Annotated[float, Meta(ge=0.0, le=1e9)]
"""A length, of time in seconds or in the unit of a sensor; no infinity."""

Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]


class SensorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is known of the sensors of an asset whose name matches; of patterns later ones win, key by key."""

    unit: Annotated[str | None, Meta(description="Unit, as people are shown it.", examples=["m³/h"])] = None
    title: Annotated[str | None, Meta(description="Name, as people are shown it.", examples=["outlet flow"])] = None
    low: Annotated[
        Finite | None, Meta(description="What the sensor can read at least; below is no reading.", examples=[0.0])
    ] = None
    high: Annotated[
        Finite | None, Meta(description="What the sensor can read at most; above is no reading.", examples=[500.0])
    ] = None
    high_high_limit: Annotated[
        Finite | None,
        Meta(description="Above it an alarm of high priority (HH), in the sensor's unit.", examples=[180.0]),
    ] = None
    high_limit: Annotated[Finite | None, Meta(description="Above it an alarm (H).", examples=[150.0])] = None
    low_limit: Annotated[Finite | None, Meta(description="Below it an alarm (L).", examples=[20.0])] = None
    low_low_limit: Annotated[
        Finite | None, Meta(description="Below it an alarm of high priority (LL).", examples=[10.0])
    ] = None
    deadband: Annotated[
        NotNegative | None,
        Meta(description="How far a value must come back inside a limit for its alarm to end.", examples=[2.0]),
    ] = None
    stuck_seconds: Annotated[
        NotNegative | None, Meta(description="As for the asset, for this sensor alone.", examples=[600.0])
    ] = None
    silence_seconds: Annotated[
        NotNegative | None, Meta(description="As for the asset, for this sensor alone.", examples=[60.0])
    ] = None


class FusedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A sensor that is made of several others of the asset, which read the same quantity."""

    of: Annotated[
        tuple[str, ...],
        Meta(
            description="Which sensors read this quantity, the preferred one first.",
            examples=[["temperature_a", "temperature_b", "temperature_c"]],
        ),
    ]
    tolerance: Annotated[
        Annotated[float, Meta(gt=0.0, le=1e300)],
        Meta(description="How far a healthy one may be from the median of all, in the sensors' unit.", examples=[1.5]),
    ]
    choice: Annotated[
        Literal["median", "priority", "weighted"],
        Meta(description="What is read of those that agree: their median, the preferred one, or a mean by noise."),
    ] = "median"


class AssetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How assets are treated; None means: as the rules before say."""

    grid_seconds: Annotated[
        Annotated[float, Meta(ge=0.001, le=1e9)] | None,
        Meta(description="Readings are brought onto a grid of so many seconds; each cell that holds data is scored."),
    ] = None
    lateness_seconds: Annotated[
        NotNegative | None,
        Meta(description="How long a cell waits for readings that come late or out of order. Delays the score."),
    ] = None
    hold_seconds: Annotated[
        NotNegative | None, Meta(description="How long the last value of a sensor stands where it reads nothing new.")
    ] = None
    silence_seconds: Annotated[
        NotNegative | None,
        Meta(description="Alarm on a sensor that sent nothing for so many seconds; 0: do not watch."),
    ] = None
    stuck_seconds: Annotated[
        NotNegative | None, Meta(description="A value unchanged for so many seconds counts as stuck; 0: do not watch.")
    ] = None
    learn_rows: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="From how many rows of calm operation the first model is learned."),
    ] = None
    false_alarms_per_week: Annotated[
        Annotated[float, Meta(gt=0.0, le=1e6)] | None,
        Meta(description="The false-alarm budget that the threshold is calibrated to."),
    ] = None
    detector: Annotated[str | None, Meta(description="The method that learns what is normal.")] = None
    on_delay_rows: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="So many rows in a row must be odd before an alarm is raised."),
    ] = None
    off_delay_rows: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="So many rows in a row must be normal before an alarm ends."),
    ] = None
    state_sensor: Annotated[
        str | None,
        Meta(description="The sensor that says, by a number, in which state the machine is; empty: none does."),
    ] = None
    judged_states: Annotated[
        tuple[Finite, ...] | None,
        Meta(description="In which states rows are judged and learned from, such as `[1, 2]`; empty: in all of them."),
    ] = None
    settle_seconds: Annotated[
        NotNegative | None,
        Meta(
            description="After each change of the state nothing is judged for so long. "
            "Not without a `state_sensor` or `shifts`."
        ),
    ] = None
    season: Annotated[
        Literal["", "day", "week"] | None,
        Meta(description="What is usual here depends on the time of the `day` or of the `week`; empty: on none."),
    ] = None
    shifts: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Shifts, such as `mon-fri 06:00-14:00`, that tell the state in place of a `state_sensor`: the "
            "first is state 1, and 0 is none of them."
        ),
    ] = None
    time_zone: Annotated[
        str | None, Meta(description="Whose clocks `season` and `shifts` go by, such as Europe/Berlin.")
    ] = None
    sensors: Annotated[
        dict[str, SensorSettings], Meta(description="What is known of sensors, by name or pattern such as `temp_*`.")
    ] = {}

    fused: Annotated[
        dict[str, FusedSettings], Meta(description="Sensors that are made of several others, by their own name.")
    ] = {}

    def __post_init__(self) -> None:
        try:
            zone_of(self.time_zone or UTC)
            check(self.shifts or ())
            for name, made in self.fused.items():
                _check_fused(name, made)
        except (ConfigError, RejectedError) as error:
            raise ValueError(str(error)) from error


def contradictions(settings: AssetSettings) -> Iterator[tuple[str, str]]:
    """Yield the key and the trouble of what one rule says that cannot hold together.

    It is no error to merge such rules: there the later one wins.
    """
    if settings.shifts and settings.state_sensor:
        yield "shifts", "shifts and state_sensor say the same thing in two ways: give one of them"
    for name, made in settings.fused.items():
        if again := [sensor for sensor in made.of if sensor in settings.fused]:
            yield "fused", f"fused sensor {name!r} is made of sensors that are read, not of {again[0]!r}, which is made"
    if settings.season and settings.detector not in (None, *SEASONAL):
        yield "season", f"the method {settings.detector} learns no seasons; {', '.join(SEASONAL)} do"


def _check_fused(name: str, made: FusedSettings) -> None:
    """Raise ConfigError or RejectedError where a sensor cannot be made so."""
    if name == SHIFT:
        raise ConfigError(f"no fused sensor can be called {SHIFT!r}: a calendar of shifts is")
    for sensor in (name, *made.of):
        if sensor_name(sensor) != sensor:
            raise ConfigError(f"fused sensor {name!r}: write {sensor!r} as {sensor_name(sensor)!r}")
    if len(set(made.of)) < max(len(made.of), 2):
        raise ConfigError(f"fused sensor {name!r} is made of two different sensors at least, not of {list(made.of)}")
    if name in made.of:
        raise ConfigError(
            f"fused sensor {name!r} is made of other sensors, which are read; not of itself, which is made"
        )


DEFAULTS = AssetSettings(
    grid_seconds=1.0,
    lateness_seconds=2.0,
    hold_seconds=60.0,
    silence_seconds=300.0,
    stuck_seconds=0.0,
    learn_rows=600,
    false_alarms_per_week=1.0,
    detector="linear",
    on_delay_rows=3,
    off_delay_rows=10,
    state_sensor="",
    judged_states=(),
    settle_seconds=30.0,
    season="",
    shifts=(),
    time_zone=UTC,
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


def promised_per_week(settings: AssetSettings) -> float:
    """Return how many false alarms a week an asset is promised at most."""
    return settings.false_alarms_per_week or DEFAULTS.false_alarms_per_week or 1.0


def sensor_settings(settings: AssetSettings, sensor: str) -> SensorSettings:
    """Return what is known of a sensor; `sensors` keys are patterns, later ones win key by key.

    A state lasts: its sensor is not stuck unless it is named.
    """
    matching = (known for pattern, known in settings.sensors.items() if fnmatchcase(sensor, pattern))
    tells = SHIFT if settings.shifts else settings.state_sensor
    stuck_seconds = 0.0 if sensor == tells else settings.stuck_seconds
    start = SensorSettings(stuck_seconds=stuck_seconds, silence_seconds=settings.silence_seconds)
    return reduce(_over_sensor, matching, start)


_BY_NAME = ("sensors", "fused")
SEASONAL = ("linear", "by-state", "seasonal")
"""Methods that can learn what a season leaves."""


def _over(below: AssetSettings, above: AssetSettings) -> AssetSettings:
    said = {
        name: value for name in _names(above) if (value := getattr(above, name)) is not None and name not in _BY_NAME
    }
    merged = {name: {**getattr(below, name), **getattr(above, name)} for name in _BY_NAME}
    if above.shifts:
        said["state_sensor"] = ""
    elif above.state_sensor:
        said["shifts"] = ()
    return msgspec.structs.replace(below, **said, **merged)


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
