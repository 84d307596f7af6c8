"""Look up what a request names, as far as whoever asks may know of it."""

from iot_edge_anomaly.core.names import AssetKey, nearest
from iot_edge_anomaly.gateway.problems import not_found
from iot_edge_anomaly.gateway.route import Call
from iot_edge_anomaly.gateway.services import Services
from iot_edge_anomaly.security.principal import Permission
from iot_edge_anomaly.views.lookup import known_alarm
from iot_edge_anomaly.views.plant import AlarmView, AssetView


def find_asset(services: Services, call: Call, name: str, permission: Permission = Permission.READ) -> AssetView:
    """Return an asset.

    Raises RejectedError for what is no name, ForbiddenError for one of another tenant, ProblemError (404) with the
    nearest name that this principal may see.
    """
    key = AssetKey.parse(name)
    call.principal.require(permission, key.tenant)
    found = services.plant.asset(key)
    if found is None:
        names = (str(asset.key) for asset in services.plant.assets() if call.principal.reaches(asset.key.tenant))
        close = nearest(str(key), names, likeness=0.4)
        hint = f"did you mean {close}?" if close else "nothing has come in from it yet"
        raise not_found(f"there is no asset {key}; {hint}")
    return found


async def find_alarm(
    services: Services, call: Call, alarm_id: str, permission: Permission = Permission.READ
) -> AlarmView:
    """Return an alarm, however old. Raises ProblemError (404) where there is none that this principal may know of.

    An alarm's id names no tenant, so one of another tenant is answered like one that is not there.
    """
    found = await known_alarm(services.plant, services.records, alarm_id)
    if found is None or not call.principal.reaches(found.key.tenant):
        raise not_found(f"there is no alarm {alarm_id!r}; GET /v1/alarms?state=all lists them")
    call.principal.require(permission, found.key.tenant)
    return found
