"""Let devices and programs in: credentials made in the name of whoever may configure their tenant, shown once."""

from dataclasses import dataclass
from pathlib import Path

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.devices import Device, create_device, devices, remove_device
from iot_edge_anomaly.security.principal import EVERY_TENANT, Permission, Principal
from iot_edge_anomaly.security.tokens import TokenRecord, token_store

LONGEST_NAME = 64


@dataclass(frozen=True)
class Admit:
    """Who may bring readings in. Each act raises ForbiddenError, and ConfigError where a name does not do."""

    data_dir: Path

    def devices(self, by: Principal) -> list[Device]:
        """Return the devices of the tenants that a principal configures."""
        return [device for device in devices(self.data_dir) if by.may(Permission.CONFIGURE, device.tenant)]

    def create_device(self, by: Principal, user: str, tenant: str) -> Device:
        """Make credentials that may publish below `ingress/<tenant>/`; a running system takes them within seconds."""
        by.require(Permission.CONFIGURE, checked_tenant(tenant))
        return create_device(self.data_dir, user, tenant)

    def remove_device(self, by: Principal, user: str) -> None:
        """Take a device's credentials away."""
        found = next((device for device in self.devices(by) if device.user == user), None)
        if found is None or not remove_device(self.data_dir, user):
            raise RejectedError(f"there is no device {user!r}")

    def tokens(self, by: Principal) -> list[TokenRecord]:
        """Return the tokens and sessions that are good for nothing but tenants that a principal configures."""
        return [record for record in token_store(self.data_dir).records() if _may_configure(by, record)]

    def revoke_token(self, by: Principal, token_id: str) -> None:
        """Take a token away, and the sessions that rest on it."""
        found = next((record for record in self.tokens(by) if record.id == token_id), None)
        if found is None or not token_store(self.data_dir).revoke(token_id):
            raise RejectedError(f"there is no token {token_id!r}")

    def create_token(self, by: Principal, name: str, tenant: str) -> str:
        """Make a token that may write readings of one tenant and nothing else; the only time it can be read."""
        by.require(Permission.CONFIGURE, checked_tenant(tenant))
        if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
            raise ConfigError(f"say in 1 to {LONGEST_NAME} characters whom the token is for, for example plc-7")
        principal = Principal(name.strip(), frozenset({tenant}), frozenset({Permission.WRITE_READINGS}))
        return token_store(self.data_dir).create(principal)


def _may_configure(by: Principal, record: TokenRecord) -> bool:
    if by.tenants == EVERY_TENANT:
        return Permission.CONFIGURE in by.permissions
    return (
        bool(record.tenants)
        and record.tenants != EVERY_TENANT
        and all(by.may(Permission.CONFIGURE, tenant) for tenant in record.tenants)
    )


def checked_tenant(name: str) -> str:
    """Return the name of a tenant. Raises ConfigError where it breaks a rule."""
    try:
        tenant = AssetKey.parse(f"{name}/asset").tenant
    except RejectedError as error:
        raise ConfigError(f"the tenant must have a name, for example acme ({error})") from error
    if tenant != name or "/" in name or name != name.strip() or set(name) & set("*?[]"):
        raise ConfigError(f"tenant {name!r} must be one segment, without '/', wildcards or blanks around it")
    return tenant
