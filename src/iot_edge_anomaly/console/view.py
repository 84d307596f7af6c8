"""What the page reads and what it may ask for."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import AssetSettings
from iot_edge_anomaly.security.principal import Principal
from iot_edge_anomaly.views.plant import AlarmView, AssetView
from iot_edge_anomaly.views.trend import TrendView


class PlantView(Protocol):
    """Tell what is known of the plant, from memory: called twice a second by every open page."""

    def assets(self) -> Sequence[AssetView]:
        """Return every asset, with its open alarms."""
        ...

    def trend(self, key: AssetKey, span: timedelta) -> TrendView | None:
        """Return the rows of the last `span` before the newest one; None before the first."""
        ...

    def recent_alarms(self, key: AssetKey) -> Sequence[AlarmView]:
        """Return the latest alarms of an asset, open ones too, newest first."""
        ...

    def settings(self, key: AssetKey) -> AssetSettings:
        """Return how this asset is treated: grid, rows to learn from, titles and units."""
        ...


class Operations(Protocol):
    """Act on the plant in a person's name.

    Each returns once the act is durable. Raises ForbiddenError, UnavailableError or RejectedError, whose text is shown.
    """

    async def acknowledge(self, by: Principal, key: AssetKey, alarm_id: str) -> None:
        """Say that a person has seen this alarm."""
        ...

    async def shelve(self, by: Principal, key: AssetKey, condition: str, duration: timedelta) -> None:
        """Put a condition out of sight for a while; a duration of zero brings it back."""
        ...

    async def maintenance(self, by: Principal, key: AssetKey, duration: timedelta) -> None:
        """Take an asset out of service for a while; a duration of zero puts it back."""
        ...

    async def feedback(self, by: Principal, key: AssetKey, alarm_id: str, was_right: bool) -> None:
        """Record a person's verdict on an alarm."""
        ...
