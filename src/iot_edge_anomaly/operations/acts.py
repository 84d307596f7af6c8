"""What a person or client may do: each act checks the permission, then becomes a control message in the stream."""

import difflib
from dataclasses import dataclass
from datetime import timedelta

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Item, Maintenance, NewNormal, Shelve
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import AlarmView, Plant

LONGEST = timedelta(days=90)
"""Nothing is silenced for longer at once."""


@dataclass(frozen=True)
class Operations:
    """The acts, bound to the view that knows what there is and to the stream that takes them."""

    plant: Plant
    intake: Intake
    clock: Clock

    async def acknowledge(self, by: Principal, key: AssetKey, alarm_id: str) -> None:
        """Say that a person has seen this alarm. Raises RejectedError (unknown), ForbiddenError, UnavailableError."""
        self._alarm(alarm_id)
        await self._act(by, key, Acknowledge(key.tenant, key.asset, alarm_id, self._now(), by.name))

    async def shelve(self, by: Principal, key: AssetKey, condition: str, duration: timedelta, reason: str = "") -> None:
        """Put one condition out of sight for a while; a duration of zero brings it back."""
        self._known(key)
        until = self._until(duration)
        await self._act(by, key, Shelve(key.tenant, key.asset, condition, until, self._now(), by.name, reason))

    async def maintenance(self, by: Principal, key: AssetKey, duration: timedelta, reason: str = "") -> None:
        """Say that the asset is being worked on for a while; a duration of zero ends it."""
        self._known(key)
        until = self._until(duration)
        await self._act(by, key, Maintenance(key.tenant, key.asset, until, self._now(), by.name, reason))

    async def feedback(self, by: Principal, key: AssetKey, alarm_id: str, was_right: bool, note: str = "") -> None:
        """Give a verdict on an alarm."""
        self._alarm(alarm_id)
        await self._act(by, key, Feedback(key.tenant, key.asset, alarm_id, was_right, self._now(), by.name, note))

    async def new_normal(self, by: Principal, key: AssetKey) -> None:
        """Say that what the asset does from now on is normal."""
        self._known(key)
        await self._act(by, key, NewNormal(key.tenant, key.asset, self._now(), by.name))

    async def _act(self, by: Principal, key: AssetKey, message: Item) -> None:
        by.require(Permission.OPERATE, key.tenant)
        await self.intake.accept([message])

    def _now(self) -> int:
        return self.clock.now_ns()

    def _until(self, span: timedelta) -> int:
        if not timedelta() <= span <= LONGEST:
            raise RejectedError(f"a span of {span} is not possible; at most {LONGEST.days} days at once")
        return self._now() + span // timedelta(microseconds=1) * 1_000

    def _alarm(self, alarm_id: str) -> AlarmView:
        found = self.plant.alarm(alarm_id)
        if found is None:
            raise RejectedError(f"there is no alarm {alarm_id!r} among the recent ones")
        return found

    def _known(self, key: AssetKey) -> None:
        if self.plant.asset(key) is None:
            names = [str(asset.key) for asset in self.plant.assets()]
            close = difflib.get_close_matches(str(key), names, n=1, cutoff=0.4)
            hint = f"; did you mean {close[0]}?" if close else "; nothing has come in from it yet"
            raise RejectedError(f"there is no asset {key}{hint}")
