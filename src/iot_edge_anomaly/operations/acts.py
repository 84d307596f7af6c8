"""What a person or client may do: each act checks the permission, then becomes a control message in the stream.

Whoever has no access to a tenant learns nothing of it: the permission is checked first, and names are suggested only
from tenants that the principal reaches.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Maintenance, NewNormal, Shelve
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.operations.conditions import conditions_of
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import Plant

LONGEST = timedelta(days=90)
"""Nothing is silenced for longer at once."""

LONGEST_NOTE = 1_000
ALL = ""
"""In place of an alarm's name: all alarms of the asset."""


@dataclass(frozen=True)
class Operations:
    """The acts, bound to the view that knows what there is and to the stream that takes them.

    Each returns once it is durable. Raises ForbiddenError, RejectedError (nothing such, or not possible: the text says
    what there is), UnavailableError (nothing was done: try again).
    """

    plant: Plant
    intake: Intake
    clock: Clock

    async def acknowledge(self, by: Principal, key: AssetKey, alarm_id: str = ALL, note: str = "") -> None:
        """Say that a person has seen this alarm, or all of the asset."""
        self._check(by, key, note)
        if alarm_id != ALL:
            self._check_alarm(key, alarm_id)
        await self.intake.accept([Acknowledge(key.tenant, key.asset, alarm_id, self._now(), by.name, note)])

    async def shelve(self, by: Principal, key: AssetKey, condition: str, duration: timedelta, reason: str = "") -> None:
        """Put one condition out of sight for a while; a duration of zero brings it back."""
        self._check(by, key, reason)
        self._check_condition(key, condition)
        now = self._now()
        until = now + _nanoseconds(duration)
        await self.intake.accept([Shelve(key.tenant, key.asset, condition, until, now, by.name, reason)])

    async def maintenance(self, by: Principal, key: AssetKey, duration: timedelta, reason: str = "") -> None:
        """Say that the asset is being worked on for a while; a duration of zero ends it."""
        self._check(by, key, reason)
        now = self._now()
        until = now + _nanoseconds(duration)
        await self.intake.accept([Maintenance(key.tenant, key.asset, until, now, by.name, reason)])

    async def feedback(self, by: Principal, key: AssetKey, alarm_id: str, was_right: bool, note: str = "") -> None:
        """Give a verdict on an alarm."""
        self._check(by, key, note)
        self._check_alarm(key, alarm_id)
        await self.intake.accept([Feedback(key.tenant, key.asset, alarm_id, was_right, self._now(), by.name, note)])

    async def new_normal(self, by: Principal, key: AssetKey) -> None:
        """Say that what the asset does from now on is normal."""
        self._check(by, key)
        await self.intake.accept([NewNormal(key.tenant, key.asset, self._now(), by.name)])

    def _now(self) -> int:
        return self.clock.now_ns()

    def _check(self, by: Principal, key: AssetKey, note: str = "") -> None:
        by.require(Permission.OPERATE, key.tenant)
        if len(note) > LONGEST_NOTE:
            raise RejectedError(f"a note of {len(note)} characters is too long; at most {LONGEST_NOTE}")
        if self.plant.asset(key) is None:
            names = [str(asset.key) for asset in self.plant.assets() if by.reaches(asset.key.tenant)]
            raise RejectedError(f"there is no asset {key}{_hint(str(key), names, 'nothing has come in from it yet')}")

    def _check_alarm(self, key: AssetKey, alarm_id: str) -> None:
        found = self.plant.alarm(alarm_id)
        if found is None or found.key != key:
            names = [alarm.raised.alarm_id for alarm in self.plant.recent_alarms(key)]
            hint = _hint(alarm_id, names, "list them with: iot-edge-anomaly alarms")
            raise RejectedError(f"{key} has no alarm {alarm_id!r} among the recent ones{hint}")

    def _check_condition(self, key: AssetKey, condition: str) -> None:
        known = conditions_of(self.plant, key)
        if condition not in known:
            hint = _hint(condition, known, f"known: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}")
            raise RejectedError(f"{key} has no condition {condition!r}{hint}")


def _nanoseconds(span: timedelta) -> int:
    if not timedelta() <= span <= LONGEST:
        raise RejectedError(f"a span of {span} is not possible; from nothing (which ends it) to {LONGEST.days} days")
    return span // timedelta(microseconds=1) * 1_000


def _hint(name: str, known: Iterable[str], otherwise: str) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; {otherwise}"
