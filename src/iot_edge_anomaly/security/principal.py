"""Who acts, in which tenants, and what they may do there."""

from enum import StrEnum
from typing import Literal

import msgspec

from iot_edge_anomaly.core.errors import IotEdgeAnomalyError

EVERY_TENANT: Literal["*"] = "*"


class Permission(StrEnum):
    """What a principal may be allowed to do."""

    WRITE_READINGS = "readings:write"
    READ = "read"
    OPERATE = "operate"
    CONFIGURE = "configure"


class ForbiddenError(IotEdgeAnomalyError):
    """This principal may not do that: ask for the permission or the tenant that the text names."""


class Principal(msgspec.Struct, frozen=True):
    """Someone or something that was authenticated."""

    name: str
    tenants: frozenset[str] | Literal["*"]
    permissions: frozenset[Permission]

    def reaches(self, tenant: str) -> bool:
        """Tell whether the tenant is one of this principal's."""
        return self.tenants == EVERY_TENANT or tenant in self.tenants

    def may(self, permission: Permission, tenant: str) -> bool:
        """Tell whether this principal may do that in the tenant."""
        return permission in self.permissions and self.reaches(tenant)

    def require(self, permission: Permission, tenant: str) -> None:
        """Return if this principal may do that in the tenant. Raises ForbiddenError that names what is missing."""
        if permission not in self.permissions:
            raise ForbiddenError(f"{self.name!r} lacks the permission {permission.value!r}")
        if not self.reaches(tenant):
            raise ForbiddenError(f"{self.name!r} has no access to tenant {tenant!r}")


def owner(name: str = "owner") -> Principal:
    """Return the principal of whoever owns the data folder: everything, everywhere."""
    return Principal(name, EVERY_TENANT, frozenset(Permission))
