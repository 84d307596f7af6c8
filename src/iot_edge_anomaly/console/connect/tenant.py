"""Which tenant a new source belongs to: one of those a person may configure."""

from collections.abc import Callable

from iot_edge_anomaly.console.fields import Choice, Field
from iot_edge_anomaly.security.principal import EVERY_TENANT, Principal


class TenantField:
    """A name to fill in for whoever reaches every tenant, else a choice."""

    def __init__(self, who: Principal, changed: Callable[[], None] | None = None) -> None:
        self._field: Field | Choice
        if who.tenants == EVERY_TENANT:
            hint = "Who owns the assets: the first part of their names, for example acme."
            self._field = Field("Tenant", hint=hint, changed=changed)
        else:
            self._field = Choice("Tenant", {name: name for name in sorted(who.tenants)}, changed=changed)

    @property
    def value(self) -> str:
        """The tenant."""
        return self._field.value.strip()
