"""The settings of an asset worked out for its present sensors, so that a step looks nothing up by name."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec.structs import replace as replace_settings
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.settings import AlarmSettings, Limit, SensorTexts
from iot_edge_anomaly.core.local_time import UTC
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.detection.season import SeasonRule
from iot_edge_anomaly.fusion.redundant import Choice
from iot_edge_anomaly.pipeline.agreeing import Fusion
from iot_edge_anomaly.pipeline.operating import StateRule
from iot_edge_anomaly.pipeline.settings import (
    SEASONAL,
    AssetRule,
    AssetSettings,
    SensorSettings,
    promised_per_week,
    sensor_settings,
    settings_for,
)
from iot_edge_anomaly.pipeline.shifts import SHIFT, Shifts
from iot_edge_anomaly.quality.checks import Ranges

NS = 1_000_000_000
NEVER_NS = 1 << 62
_KINDS = (("HH", "high_high_limit"), ("H", "high_limit"), ("L", "low_limit"), ("LL", "low_low_limit"))


@dataclass(frozen=True)
class Profile:
    """Times in ns; arrays have one entry a sensor. `states`: how operating states are told; None: they are not.

    `season`: which clock the asset follows; None: none. `fusions`: what is read of several sensors as one. `is_made`:
    which sensors nobody sends.
    """

    settings: AssetSettings
    version: str
    grid_ns: int
    lateness_ns: int
    hold_ns: int
    learn_rows: int
    false_alarms_per_week: float
    detector: str
    ranges: Ranges
    stuck_limit: NDArray[np.float64]
    watches_stuck: bool
    holds_ns: NDArray[np.int64]
    silence_ns: NDArray[np.int64]
    vanish_ns: NDArray[np.int64]
    alarms: AlarmSettings
    states: StateRule | None = None
    season: SeasonRule | None = None
    fusions: tuple[Fusion, ...] = ()
    is_made: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))

    @property
    def made(self) -> tuple[str, ...]:
        """The sensors that nobody sends: what they read is worked out."""
        return ((SHIFT,) if self.states and self.states.shifts else ()) + tuple(self.settings.fused)

    def _known(self, sensor: str) -> SensorSettings:
        """Return what is known of a sensor; nobody sends what is made, so that is neither silent nor stuck."""
        known = sensor_settings(self.settings, sensor)
        return replace_settings(known, stuck_seconds=0.0, silence_seconds=0.0) if sensor in self.made else known

    def for_sensors(self, sensors: tuple[str, ...]) -> "Profile":
        """Return the profile for these sensors."""
        known = [self._known(sensor) for sensor in sensors]
        stuck_limit = np.array([one.stuck_seconds or 0.0 for one in known])
        silence_ns = np.array([round((one.silence_seconds or 0.0) * NS) or NEVER_NS for one in known], np.int64)
        lasts = np.array([self.states is not None and sensor == self.states.sensor for sensor in sensors], bool)
        holds_ns = np.where(lasts, NEVER_NS, self.hold_ns)
        return replace(
            self,
            ranges=Ranges(
                np.array([-np.inf if one.low is None else one.low for one in known]),
                np.array([np.inf if one.high is None else one.high for one in known]),
            ),
            stuck_limit=stuck_limit,
            watches_stuck=bool((stuck_limit > 0).any()),
            holds_ns=holds_ns,
            silence_ns=silence_ns,
            vanish_ns=np.maximum(np.where(silence_ns == NEVER_NS, 0, silence_ns), holds_ns),
            alarms=_alarm_settings(self, dict(zip(sensors, known, strict=True))),
            fusions=tuple(_fusions(self.settings, sensors)),
            is_made=np.array([sensor in self.made for sensor in sensors], bool),
        )


def profile_of(key: AssetKey, rules: tuple[AssetRule, ...], version: str) -> Profile:
    """Work out the settings of an asset that has no sensors yet."""
    settings = settings_for(key, rules)
    return Profile(
        settings,
        version,
        max(round((settings.grid_seconds or 1.0) * NS), 1),
        round((settings.lateness_seconds or 0.0) * NS),
        round((settings.hold_seconds or 0.0) * NS),
        settings.learn_rows or 300,
        promised_per_week(settings),
        settings.detector or "linear",
        Ranges(np.empty(0), np.empty(0)),
        np.empty(0),
        False,
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        AlarmSettings(settings.on_delay_rows or 1, settings.off_delay_rows or 1, (), {}, {}, version),
        _states(settings),
        _season(settings),
    )


def _season(settings: AssetSettings) -> SeasonRule | None:
    if not settings.season or settings.detector not in SEASONAL:
        return None
    return SeasonRule(settings.season, settings.time_zone or UTC)


def _states(settings: AssetSettings) -> StateRule | None:
    sensor = SHIFT if settings.shifts else settings.state_sensor
    if not sensor:
        return None
    shifts = Shifts(settings.shifts, settings.time_zone or UTC) if settings.shifts else None
    return StateRule(sensor, settings.judged_states or (), round((settings.settle_seconds or 0.0) * NS), shifts)


def _fusions(settings: AssetSettings, sensors: tuple[str, ...]) -> Iterator[Fusion]:
    """Yield what can be read as one: of members that were never heard nothing is known yet."""
    index = {sensor: number for number, sensor in enumerate(sensors)}
    for name, made in settings.fused.items():
        members = tuple(member for member in made.of if member in index and member not in settings.fused)
        if name in index and members:
            columns = tuple(index[member] for member in members)
            yield Fusion(name, index[name], members, columns, Choice(made.choice), made.tolerance)


def _alarm_settings(profile: Profile, sensors: dict[str, SensorSettings]) -> AlarmSettings:
    return AlarmSettings(
        profile.settings.on_delay_rows or 1,
        profile.settings.off_delay_rows or 1,
        tuple(
            Limit(sensor, kind, value, known.deadband or 0.0)
            for sensor, known in sensors.items()
            for kind, name in _KINDS
            if (value := getattr(known, name)) is not None
        ),
        {sensor: known.silence_seconds or 0.0 for sensor, known in sensors.items()},
        {
            sensor: SensorTexts(known.title or sensor.replace("_", " "), known.unit or "")
            for sensor, known in sensors.items()
        },
        profile.version,
    )
