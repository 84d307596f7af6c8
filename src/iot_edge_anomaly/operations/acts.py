"""What a person or client may do: each act checks the permission, then becomes a control message in the stream.

Whoever has no access to a tenant learns nothing of it: the permission is checked first, and names are suggested only
from tenants that the principal reaches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Maintenance, NewNormal, Noted, Shelve
from iot_edge_anomaly.core.names import AssetKey, nearest
from iot_edge_anomaly.operations.conditions import conditions_of
from iot_edge_anomaly.operations.limits import check_order, told, with_limits
from iot_edge_anomaly.operations.rule_store import LimitsSet, Sources
from iot_edge_anomaly.pipeline.settings import SensorSettings, sensor_settings, settings_for
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.lookup import AlarmLookup, known_alarm
from iot_edge_anomaly.views.plant import Plant

LONGEST = timedelta(days=90)
"""Nothing is silenced for longer at once."""

LONGEST_NOTE = 1_000
MOST_AT_ONCE = 1_000
ALL = ""
"""In place of an alarm's name: all alarms of the asset."""


class Rules(Protocol):
    """The asset rules in force; see `operations/rule_store.py`. Raises UnavailableError."""

    async def read(self) -> Sources:
        """Return what they are made from."""
        ...

    async def change(self, edit: Callable[[Sources], Sources]) -> Sources:
        """Change that and return once it is in force; `edit` may be called more than once."""
        ...


@dataclass(frozen=True)
class Operations:
    """The acts, bound to the views that know what there is, to the stream that takes them and to the rules in force.

    `records` None: only alarms that the view in memory has can be judged. Each act returns once it is durable. Raises
    ForbiddenError, RejectedError (nothing such, or not possible: the text says what there is), UnavailableError
    (nothing was done: try again).
    """

    plant: Plant
    intake: Intake
    clock: Clock
    rules: Rules
    records: AlarmLookup | None = None

    async def acknowledge(self, by: Principal, key: AssetKey, alarm_id: str = ALL, note: str = "") -> None:
        """Say that a person has seen this alarm, or all of the asset."""
        self._check(by, key, note)
        if alarm_id != ALL:
            self._check_alarm(key, alarm_id)
        await self.intake.accept([Acknowledge(key.tenant, key.asset, alarm_id, self._now(), by.name, note)])

    async def acknowledge_several(self, by: Principal, alarm_ids: Sequence[str], note: str = "") -> None:
        """Say that a person has seen these alarms: all of them or, where one cannot be acknowledged, none."""
        if not 0 < len(alarm_ids) <= MOST_AT_ONCE:
            raise RejectedError(f"{len(alarm_ids)} alarms cannot be acknowledged at once; name 1 to {MOST_AT_ONCE}")
        keys = {alarm_id: self._open_to(by, alarm_id) for alarm_id in alarm_ids}
        for key in dict.fromkeys(keys.values()):
            self._check(by, key, note)
        now = self._now()
        acts = [Acknowledge(key.tenant, key.asset, alarm_id, now, by.name, note) for alarm_id, key in keys.items()]
        await self.intake.accept(acts)

    async def shelve(self, by: Principal, key: AssetKey, condition: str, duration: timedelta, reason: str = "") -> None:
        """Put one condition out of sight for a while, saying why; a duration of zero brings it back."""
        self._check(by, key, reason)
        self._check_condition(key, condition)
        now = self._now()
        until = now + _nanoseconds(duration)
        if duration and not reason.strip():
            raise RejectedError("shelving needs a reason, for those who look for the alarm meanwhile: say why")
        await self.intake.accept([Shelve(key.tenant, key.asset, condition, until, now, by.name, reason)])

    async def maintenance(self, by: Principal, key: AssetKey, duration: timedelta, reason: str = "") -> None:
        """Say that the asset is being worked on for a while; a duration of zero ends it."""
        self._check(by, key, reason)
        now = self._now()
        until = now + _nanoseconds(duration)
        await self.intake.accept([Maintenance(key.tenant, key.asset, until, now, by.name, reason)])

    async def feedback(self, by: Principal, key: AssetKey, alarm_id: str, was_right: bool, note: str = "") -> None:
        """Give a verdict on an alarm, however old; the latest one counts."""
        self._check(by, key, note)
        await self._check_known(key, alarm_id)
        await self.intake.accept([Feedback(key.tenant, key.asset, alarm_id, was_right, self._now(), by.name, note)])

    async def new_normal(self, by: Principal, key: AssetKey, reason: str = "") -> None:
        """Say that what the asset does from now on is normal."""
        self._check(by, key, reason)
        await self.intake.accept([NewNormal(key.tenant, key.asset, self._now(), by.name, reason)])

    async def set_limits(
        self, by: Principal, key: AssetKey, sensor: str, limits: Mapping[str, float | None], reason: str = ""
    ) -> SensorSettings:
        """Set limits of one sensor (`operations/limits.py` names them); None: as the file says again. Others stay.

        They beat those of the configuration file and outlive it. Return what is in force then.
        """
        self._check(by, key, reason, Permission.CONFIGURE)
        self._check_sensor(key, sensor)
        before = sensor_settings(settings_for(key, (await self.rules.read()).rules), sensor)

        def edit(sources: Sources) -> Sources:
            said = with_limits(sources.limits_of(key, sensor), limits)
            changed = sources.with_limits(LimitsSet(str(key), sensor, said, by.name, self._now(), reason))
            check_order(sensor_settings(settings_for(key, changed.rules), sensor))
            return changed

        after = sensor_settings(settings_for(key, (await self.rules.change(edit)).rules), sensor)
        text = f"{told(sensor, before, after)}, says {by.name}"
        await self.intake.accept([Noted(key.tenant, key.asset, "limits", sensor, text, self._now(), by.name, reason)])
        return after

    def _now(self) -> int:
        return self.clock.now_ns()

    def _check(self, by: Principal, key: AssetKey, note: str = "", permission: Permission = Permission.OPERATE) -> None:
        by.require(permission, key.tenant)
        if len(note) > LONGEST_NOTE:
            raise RejectedError(f"a note of {len(note)} characters is too long; at most {LONGEST_NOTE}")
        if self.plant.asset(key) is None:
            names = (str(asset.key) for asset in self.plant.assets() if by.reaches(asset.key.tenant))
            raise RejectedError(f"there is no asset {key}{_hint(str(key), names, 'nothing has come in from it yet')}")

    def _check_alarm(self, key: AssetKey, alarm_id: str) -> None:
        found = self.plant.alarm(alarm_id)
        if found is None or found.key != key:
            raise self._unknown_alarm(key, alarm_id)

    def _unknown_alarm(self, key: AssetKey, alarm_id: str) -> RejectedError:
        names = [alarm.raised.alarm_id for alarm in self.plant.recent_alarms(key)]
        hint = _hint(alarm_id, names, "list them with: iot-edge-anomaly alarms")
        return RejectedError(f"{key} has no alarm {alarm_id!r} among the recent ones{hint}")

    async def _check_known(self, key: AssetKey, alarm_id: str) -> None:
        """Return if the asset has this alarm, however old."""
        found = await known_alarm(self.plant, self.records, alarm_id)
        if found is None or found.key != key:
            raise self._unknown_alarm(key, alarm_id)

    def _open_to(self, by: Principal, alarm_id: str) -> AssetKey:
        """Return whose alarm this is; one of another tenant is answered like one that is not there."""
        found = self.plant.alarm(alarm_id)
        if found is None or not by.reaches(found.key.tenant):
            text = f"there is no alarm {alarm_id!r} among the recent ones, and nothing was acknowledged"
            raise RejectedError(f"{text}; list them with: iot-edge-anomaly alarms")
        return found.key

    def _check_sensor(self, key: AssetKey, sensor: str) -> None:
        newest = self.plant.trend(key, timedelta())
        known = newest.sensors if newest else ()
        if sensor not in known:
            hint = _hint(sensor, known, f"known: {', '.join(known[:12]) or 'none yet'}")
            raise RejectedError(f"{key} has no sensor {sensor!r}{hint}")

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
    close = nearest(name, known)
    return f"; did you mean {close}?" if close else f"; {otherwise}"
