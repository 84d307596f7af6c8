"""The end of connecting: what will be written, saving it, and seeing the new connector come up."""

from collections.abc import Callable

import msgspec
from nicegui import ui

from iot_edge_anomaly.connectors.health import read_health
from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.arrivals import Arrivals
from iot_edge_anomaly.console.elements import box, button, show, text
from iot_edge_anomaly.console.fields import difference_lines
from iot_edge_anomaly.console.shell import BEAT_SECONDS, Visit
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.operations.configure import FILE, blocks_of, difference, require_connector
from iot_edge_anomaly.security.secrets import Secret


class Wanted(msgspec.Struct, frozen=True):
    """What a person filled in: a connector, a rule for its assets, whose they are, the password of the broker."""

    connector: msgspec.Struct
    tenant: str
    rule: dict[str, object] | None = None
    password: str | None = None


class Saving:
    """Shows what would change; saves it; then shows how the new connector does and what comes in."""

    def __init__(self, visit: Visit, backstage: Backstage, wanted: Callable[[], Wanted]) -> None:
        self._visit = visit
        self._backstage = backstage
        self._wanted = wanted
        with box("card", "section").props('aria-label="Save"') as self._card:
            text("h2", "Save")
            text("p", f"This is added to {FILE} in the data folder and taken into use at once.", "hint")
            self._changes = box("changes")
            self._problem = text("p", "", "wrong").props("role=alert")
            self._save = button("Save and connect", self._on_save, "primary")
        self._after = box("result")

    def update(self) -> None:
        """Show what would be written now."""
        self._changes.clear()
        try:
            wanted = self._wanted()
            require_connector(self._visit.who, wanted.connector, wanted.tenant)
            blocks = blocks_of(_as_saved(wanted), wanted.rule)
            before, after = self._backstage.configure.proposal(self._visit.who, blocks, wanted.tenant)
        except IotEdgeAnomalyError as error:
            self._problem.text = str(error)
            self._save.props["disabled"] = True
            return
        self._problem.text = ""
        self._save.props["disabled"] = False
        with self._changes:
            difference_lines(difference(before, after))

    async def _on_save(self) -> None:
        before = known_connectors(self._backstage)
        try:
            wanted = self._wanted()
            await self._backstage.configure.add(
                self._visit.who, wanted.connector, wanted.rule, wanted.tenant, wanted.password
            )
        except IotEdgeAnomalyError as error:
            self._problem.text = str(error)
            return
        show(self._card, wanted=False)
        with self._after:
            show_started(self._visit, self._backstage, before, wanted.tenant)


def known_connectors(backstage: Backstage) -> frozenset[str]:
    """Return the names of the connectors that there are."""
    return frozenset(one.name for one in read_health(backstage.data_dir))


def show_started(visit: Visit, backstage: Backstage, before: frozenset[str], tenant: str) -> None:
    """Show how connectors do that were not there before, and what comes in of a tenant."""
    with box("card", "section").props('aria-label="Connector"'):
        text("h2", "Saved")
        state = text("p", "The connector is being started …", "state").props("role=status")
    Arrivals(visit, backstage, tenant)

    def update() -> None:
        for one in (one for one in read_health(backstage.data_dir) if one.name not in before):
            said = f"{one.name} is {one.state}; {one.readings} values came in, {one.set_aside} were set aside"
            state.text = f"{said}. {one.last_error}" if one.last_error else said

    visit.every(BEAT_SECONDS, update)
    ui.run_javascript("window.scrollTo({top: document.body.scrollHeight})")


def _as_saved(wanted: Wanted) -> msgspec.Struct:
    """Return the connector as it will stand in the file, which names where a password is and never what it is."""
    if not wanted.password:
        return wanted.connector
    return msgspec.structs.replace(wanted.connector, password=Secret(file="security/broker-….password"))
