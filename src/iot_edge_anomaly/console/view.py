"""What the page reads and what it may ask for."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal, Protocol

from iot_edge_anomaly.bus.capsule import Replay
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.stretch import Stretch
from iot_edge_anomaly.historian.export import Exported, Format, What
from iot_edge_anomaly.pipeline.settings import AssetSettings, SensorSettings
from iot_edge_anomaly.security.principal import Principal
from iot_edge_anomaly.views.plant import AlarmView, AssetView
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord, AssetDay, JudgedAlarm, KeptNotice, LearnedAlarms


class PlantView(Protocol):
    """Tell what is known of the plant, from memory: called every second by every open page."""

    def assets(self) -> Sequence[AssetView]:
        """Return every asset, with its open alarms."""
        ...

    def trend(self, key: AssetKey, span: timedelta) -> Stretch | None:
        """Return the rows of the last `span` before the newest one; None before the first."""
        ...

    def recent_alarms(self, key: AssetKey) -> Sequence[AlarmView]:
        """Return the latest alarms of an asset, open ones too, newest first."""
        ...

    def settings(self, key: AssetKey) -> AssetSettings:
        """Return how this asset is treated: grid, rows to learn from, titles and units."""
        ...


Tenants = frozenset[str] | Literal["*"]


class Records(Protocol):
    """Tell what is kept of alarms and days for months. From a database: call it in a thread, on demand.

    Raises UnavailableError while the database cannot be read; the text is shown.
    """

    def alarms(self, wanted: AlarmFilter) -> list[AlarmRecord]:
        """Return alarms, the newest first."""
        ...

    def alarm(self, alarm_id: str) -> AlarmRecord | None:
        """Return one alarm."""
        ...

    def incident(self, incident_id: str) -> list[AlarmRecord]:
        """Return the alarms of one incident in the order they were raised."""
        ...

    def similar(self, alarm_id: str, limit: int) -> list[AlarmRecord]:
        """Return earlier alarms of the same asset that rested on the same sensors, the most similar first."""
        ...

    def days(self, tenants: Tenants, since_day: int, prefix: str = "") -> list[AssetDay]:
        """Return the days of assets since one, the oldest first."""
        ...

    def learned(self, tenants: Tenants, since_ns: int, until_ns: int) -> list[LearnedAlarms]:
        """Return for each asset how its learned alarms of the whole days that a span touches were judged."""
        ...

    def learned_since_model(
        self, tenants: Tenants, since_ns: int, until_ns: int, prefix: str = ""
    ) -> list[LearnedAlarms]:
        """Return the same, of each asset no further back than its present model is in use."""
        ...

    def judged(self, tenants: Tenants, since_ns: int, until_ns: int) -> list[JudgedAlarm]:
        """Return the learned alarms of such a span that have a verdict, the newest verdict first."""
        ...

    def notices(self, tenants: Tenants, since_ns: int, prefix: str = "") -> list[KeptNotice]:
        """Return notices since a time, the newest first."""
        ...


class History(Protocol):
    """Tell the rows of months. From the disk: call it in a thread. Raises UnavailableError, whose text is shown."""

    def trend(self, key: AssetKey, since_ns: int, until_ns: int, most_points: int) -> Stretch | None:
        """Return the rows from a time on and before another, thinned so that a chart looks the same; None: no rows."""
        ...


class Replays(Protocol):
    """Work an alarm out again from what was sealed of it."""

    async def replay(self, by: Principal, key: AssetKey, alarm_id: str) -> Replay:
        """Return how it compares. Raises ForbiddenError, UnavailableError, or RejectedError that says why it cannot."""
        ...


class Exports(Protocol):
    """Write what is known of an asset as a file."""

    async def write(self, by: Principal, key: AssetKey, what: What, form: Format, since_ns: int, out: Path) -> Exported:
        """Write the rows since a time. Raises ForbiddenError, UnavailableError, or RejectedError that says why not."""
        ...


class Operations(Protocol):
    """Act on the plant in a person's name.

    Each returns once the act is durable. Raises ForbiddenError, UnavailableError or RejectedError, whose text is shown.
    """

    async def acknowledge(self, by: Principal, key: AssetKey, alarm_id: str, note: str = "") -> None:
        """Say that a person has seen this alarm."""
        ...

    async def shelve(self, by: Principal, key: AssetKey, condition: str, duration: timedelta, reason: str = "") -> None:
        """Put a condition out of sight for a while; a duration of zero brings it back."""
        ...

    async def maintenance(self, by: Principal, key: AssetKey, duration: timedelta, reason: str = "") -> None:
        """Take an asset out of service for a while; a duration of zero puts it back."""
        ...

    async def feedback(self, by: Principal, key: AssetKey, alarm_id: str, was_right: bool, note: str = "") -> None:
        """Record a person's verdict on an alarm."""
        ...

    async def new_normal(self, by: Principal, key: AssetKey, reason: str = "") -> None:
        """Say that what an asset does from now on is normal: it learns anew."""
        ...

    async def set_limits(
        self, by: Principal, key: AssetKey, sensor: str, limits: Mapping[str, float | None], reason: str = ""
    ) -> SensorSettings:
        """Set limits of one sensor, by the names of `SensorSettings`; None: as the configuration file says."""
        ...
