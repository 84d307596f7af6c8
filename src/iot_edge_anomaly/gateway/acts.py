"""What an operator does: each act is durable when it is answered, and takes effect in its place in the stream."""

from datetime import timedelta
from typing import Annotated

import msgspec

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.gateway.find import find_alarm, find_asset
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.operations.durations import parse_duration
from iot_edge_anomaly.operations.limits import LIMITS
from iot_edge_anomaly.security.principal import Permission

Words = Annotated[str, msgspec.Meta(max_length=500)]


class SeveralAlarms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ids of alarms that somebody has seen."""

    alarms: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1_000)]
    note: Words = ""


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the alarm was right, and what was found."""

    right: bool
    note: Words = ""


class MaintenanceOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody works on the asset for a while (`30m`, `2h`, `1d12h`); `0s`: not any more."""

    asset: str
    duration: Annotated[str, msgspec.Meta(max_length=40)]
    reason: Words = ""


class ShelvingOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Put a condition of the asset out of sight for a while (`30m`, `2h`, `1d12h`), saying why; `0s`: bring it back."""

    asset: str
    condition: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    duration: Annotated[str, msgspec.Meta(max_length=40)]
    reason: Words = ""


class NewNormalOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the asset does from now on is normal."""

    asset: str
    reason: Words = ""


class LimitsOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Set limits of one sensor, in its unit; null: as the configuration file says again; left out: as it is."""

    asset: str
    sensor: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    high_high_limit: float | msgspec.UnsetType | None = msgspec.UNSET
    high_limit: float | msgspec.UnsetType | None = msgspec.UNSET
    low_limit: float | msgspec.UnsetType | None = msgspec.UNSET
    low_low_limit: float | msgspec.UnsetType | None = msgspec.UNSET
    deadband: float | msgspec.UnsetType | None = msgspec.UNSET
    reason: Words = ""


class LimitsInForce(msgspec.Struct, frozen=True):
    """The limits of a sensor from now on; null: there is none."""

    asset: str
    sensor: str
    high_high_limit: float | None
    high_limit: float | None
    low_limit: float | None
    low_low_limit: float | None
    deadband: float | None
    by: str


class Acknowledged(msgspec.Struct, frozen=True):
    """The acknowledgements are stored; what they change shows once the pipeline has come to them."""

    alarms: tuple[str, ...]
    by: str


class Done(msgspec.Struct, frozen=True):
    """The act is stored; what it changes shows once the pipeline has come to it."""

    asset: str
    act: str
    by: str


async def acknowledge_alarm(services: Services, call: Call) -> Done:
    """Say that a person has seen this alarm."""
    alarm = await find_alarm(services, call, call.parameters.id, Permission.OPERATE)
    services.require_bus()
    await services.operations.acknowledge(call.principal, alarm.key, alarm.latest.alarm_id)
    return _done(call, alarm.key, "acknowledge")


async def acknowledge_several(services: Services, call: Call) -> Acknowledged:
    """Say that a person has seen these alarms: all of them or none."""
    order: SeveralAlarms = call.body
    services.require_bus()
    await services.operations.acknowledge_several(call.principal, order.alarms, order.note)
    return Acknowledged(tuple(dict.fromkeys(order.alarms)), call.principal.name)


async def judge_alarm(services: Services, call: Call) -> Done:
    """Give a verdict on an alarm."""
    verdict: Verdict = call.body
    alarm = await find_alarm(services, call, call.parameters.id, Permission.OPERATE)
    services.require_bus()
    alarm_id = alarm.latest.alarm_id
    await services.operations.feedback(call.principal, alarm.key, alarm_id, verdict.right, verdict.note)
    return _done(call, alarm.key, "feedback")


async def order_maintenance(services: Services, call: Call) -> Done:
    """Say that somebody works on an asset."""
    order: MaintenanceOrder = call.body
    key = _asset(services, call, order.asset)
    await services.operations.maintenance(call.principal, key, _duration(order.duration), order.reason)
    return _done(call, key, "maintenance")


async def order_shelving(services: Services, call: Call) -> Done:
    """Put a condition out of sight."""
    order: ShelvingOrder = call.body
    key = _asset(services, call, order.asset)
    await services.operations.shelve(call.principal, key, order.condition, _duration(order.duration), order.reason)
    return _done(call, key, "shelve")


async def order_new_normal(services: Services, call: Call) -> Done:
    """Say that what an asset does from now on is normal."""
    order: NewNormalOrder = call.body
    key = _asset(services, call, order.asset)
    await services.operations.new_normal(call.principal, key, order.reason)
    return _done(call, key, "new-normal")


async def order_limits(services: Services, call: Call) -> LimitsInForce:
    """Set limits of one sensor."""
    order: LimitsOrder = call.body
    key = _asset(services, call, order.asset, Permission.CONFIGURE)
    given = {name: value for name in LIMITS if (value := getattr(order, name)) is not msgspec.UNSET}
    known = await services.operations.set_limits(call.principal, key, order.sensor, given, order.reason)
    return LimitsInForce(
        str(key), order.sensor, **{name: getattr(known, name) for name in LIMITS}, by=call.principal.name
    )


def _asset(services: Services, call: Call, name: str, permission: Permission = Permission.OPERATE) -> AssetKey:
    key = find_asset(services, call, name, permission).key
    services.require_bus()
    return key


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ConfigError as error:
        raise RejectedError(str(error)) from error


def _done(call: Call, key: AssetKey, act: str) -> Done:
    return Done(str(key), act, call.principal.name)
