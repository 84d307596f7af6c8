"""What the platform is told of the demo plant: its devices, and the rules for its three assets."""

from pathlib import PurePosixPath

from iot_edge_anomaly.demo.sensors import PUMP_SENSORS, PUMPS, SENSORS, TANK, TANK_SENSORS, Sensor
from iot_edge_anomaly.demo.station import SECONDS_PER_ROW as PLANT_SECONDS_PER_ROW
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings

TENANT = "demo"
LINE = PurePosixPath("station-1/pumping/line-1")
SECONDS_PER_ROW = 0.05
"""Of the clock; six seconds of the plant go by meanwhile."""

FASTER_THAN_LIFE = PLANT_SECONDS_PER_ROW / SECONDS_PER_ROW
"""So many seconds of the plant go by in one second."""

_LIMITS = {
    "vibration": {"high_limit": 4.5, "high_high_limit": 7.1, "deadband": 0.3},
    "bearing_temperature": {"high_limit": 75.0, "high_high_limit": 90.0},
    "suction_pressure": {"low_low_limit": 0.2, "low_limit": 0.4},
    "outlet_pressure": {"high_limit": 7.0},
    "level": {"low_low_limit": 0.5, "low_limit": 1.0, "high_limit": 4.2, "high_high_limit": 4.7},
}
"""Far from all that happens in normal operation. Vibration: the zones of ISO 10816 for machines of this class."""

OFF_DELAY_ROWS = 60
"""A fault that shows only while its pump runs is one alarm, not one for each start."""

_STUCK_SECONDS = {"level": 3.0}


def demo_devices() -> tuple[str, ...]:
    """Return the names of the demo's devices: one for each asset."""
    return tuple(SENSORS)


def device_user(name: str) -> str:
    """Return the user name with which a device signs in at the broker."""
    return f"demo-{name}"


def device_topic(name: str) -> str:
    """Return the MQTT topic on which a device publishes."""
    return f"ingress/{TENANT}/{LINE / name}"


def demo_rules() -> tuple[AssetRule, ...]:
    """Return how the demo's assets are treated: twenty rows a second, learned from the first 30 seconds.

    At most one false alarm a week of the plant's own time is allowed for each.
    """
    line = AssetSettings(
        grid_seconds=SECONDS_PER_ROW,
        lateness_seconds=0.3,
        hold_seconds=0.5,
        silence_seconds=20.0,
        off_delay_rows=OFF_DELAY_ROWS,
        learn_rows=600,
        false_alarms_per_week=FASTER_THAN_LIFE,
    )
    return (
        AssetRule(f"{TENANT}/*", line),
        *(AssetRule(f"{TENANT}/{LINE / pump}", _sensors(PUMP_SENSORS)) for pump in PUMPS),
        AssetRule(f"{TENANT}/{LINE / TANK}", _sensors(TANK_SENSORS)),
    )


def _sensors(sensors: tuple[Sensor, ...]) -> AssetSettings:
    return AssetSettings(sensors={sensor.name: _known(sensor) for sensor in sensors})


def _known(sensor: Sensor) -> SensorSettings:
    return SensorSettings(
        unit=sensor.unit,
        title=sensor.title,
        low=sensor.low,
        high=sensor.high,
        stuck_seconds=_STUCK_SECONDS.get(sensor.name),
        **_LIMITS.get(sensor.name, {}),
    )
