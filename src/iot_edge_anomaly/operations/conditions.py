"""Which conditions of an asset can raise an alarm, and so be shelved."""

from datetime import timedelta

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import sensor_settings
from iot_edge_anomaly.views.plant import Plant

_LIMITS = (("HH", "high_high_limit"), ("H", "high_limit"), ("L", "low_limit"), ("LL", "low_low_limit"))


def conditions_of(plant: Plant, key: AssetKey) -> list[str]:
    """Return the conditions of an asset by its configuration and its present sensors, and those of its open alarms."""
    asset, newest = plant.asset(key), plant.trend(key, timedelta())
    settings = plant.settings(key)
    found = dict.fromkeys(["score", "silence:*"])
    for sensor in newest.sensors if newest else ():
        known = sensor_settings(settings, sensor)
        found |= {f"limit:{sensor}:{kind}": None for kind, name in _LIMITS if getattr(known, name) is not None}
        found |= {f"silence:{sensor}": None} if known.silence_seconds else {}
        found |= {f"stuck:{sensor}": None} if known.stuck_seconds else {}
    return [*(found | {alarm.latest.condition: None for alarm in (asset.alarms if asset else ())})]
