"""Connect a broker of one's own: test it, see what is sent there and what would become of it, then save."""

import asyncio

from nicegui import background_tasks, ui

from iot_edge_anomaly.connectors.mqtt import MqttSettings
from iot_edge_anomaly.connectors.probe import LISTEN_SECONDS, Probe, Stage, checked, suggested_pattern
from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.messages import MessageTable
from iot_edge_anomaly.console.connect.saving import Saving, Wanted
from iot_edge_anomaly.console.connect.tenant import TenantField
from iot_edge_anomaly.console.elements import box, button, set_classes, show, text
from iot_edge_anomaly.console.fields import Choice, Field, Tick
from iot_edge_anomaly.console.shell import BEAT_SECONDS, Visit
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.security.principal import EVERY_TENANT

EVERYTHING = "#"
PATTERN, LEVELS = "pattern", "levels"


class ConnectBroker:
    """The form of a broker, the messages seen there, how they are mapped, and saving it."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        self._probe: Probe | None = None
        self._task: asyncio.Task[None] | None = None
        self._shown = (0, Stage.CONNECTING)
        self._make_form()
        with box("card", "section").props('aria-label="Test"') as self._test:
            self._state = text("p", "", "state").props("role=status")
            self._table = MessageTable()
        with box("result") as self._mapping:
            self._make_mapping()
            self._saving = Saving(visit, backstage, self._wanted)
        show(self._test, wanted=False)
        show(self._mapping, wanted=False)
        visit.every(BEAT_SECONDS, self._update)
        ui.context.client.on_disconnect(self._stop)

    def _make_form(self) -> None:
        with box("card form", "section").props('aria-label="A broker of yours"'):
            text("h2", "A broker of yours")
            with box("entries"):
                self._host = Field("Address", "127.0.0.1", hint="Host name or IP address.")
                self._port = Field("Port", "1883", hint="8883 is usual with TLS.", kind="number")
                self._user = Field("User", hint="Nothing: nobody signs in.")
                self._password = Field("Password", kind="password", hint="Kept in the data folder, for its owner only.")
                self._topics = Field("Topics to look at", EVERYTHING, hint="# is everything that this user may read.")
                self._version = Choice("Version of MQTT", {"3.1.1": "3.1.1", "5": "5"})
                self._tls = Tick("Encrypt (TLS)")
                self._ca_file = Field(
                    "Certificate authority", hint="A file of this machine; nothing: as the system trusts."
                )
            show(self._ca_file.box, self._visit.who.tenants == EVERY_TENANT)
            self._wrong = text("p", "", "wrong").props("role=alert")
            button("Test the connection", self._on_test, "primary")

    def _make_mapping(self) -> None:
        with box("card form", "section").props('aria-label="Topics become assets"'):
            text("h2", "Topics become assets")
            with box("entries"):
                self._tenant = TenantField(self._visit.who, changed=self._remap)
                ways = {PATTERN: "A pattern says which levels name the asset", LEVELS: "All levels name the asset"}
                self._way = Choice("How topics are read", ways, changed=self._remap)
                names = "{sensor} names the sensor, other {names} parts of the asset; + a level without meaning."
                self._pattern = Field("Pattern", hint=names, changed=self._remap)
                left_out = "Left out of the name, for example plant."
                self._prefix = Field("Levels before the name", hint=left_out, changed=self._remap)
                pace = "Nothing: 1 s. Sensors are compared row by row."
                self._grid = Field("Seconds from row to row", hint=pace, kind="number", changed=self._remap)

    def _connection(self) -> dict[str, object]:
        """Return what the form says of the connection. Raises RejectedError."""
        if not self._port.value.strip().isdigit():
            raise RejectedError(f"the port must be a number from 1 to 65535; it is {self._port.value!r}")
        said: dict[str, object] = {"type": "mqtt", "host": self._host.value.strip(), "version": self._version.value}
        said["port"], said["tls"] = int(self._port.value), self._tls.value
        if not said["host"]:
            raise RejectedError("say at which address the broker is")
        if self._user.value.strip():
            said["user"] = self._user.value.strip()
        if self._ca_file.value.strip():
            said["ca_file"] = self._ca_file.value.strip()
        return said

    def _mapped(self) -> MqttSettings:
        """Return what the connector would be told. Raises RejectedError."""
        said: dict[str, object] = {**self._connection(), "tenant": self._tenant.value}
        if not self._tenant.value:
            raise RejectedError("say which tenant the assets of this broker belong to")
        if self._way.value == PATTERN:
            return checked({**said, "pattern": self._pattern.value.strip()})
        prefix, topics = self._prefix.value.strip().strip("/"), self._topics.value.strip() or EVERYTHING
        if prefix and topics == EVERYTHING:
            return checked({**said, "prefix": prefix})
        return checked({**said, "prefix": prefix, "topics": [topics]})

    def _wanted(self) -> Wanted:
        connector = self._mapped()
        return Wanted(connector, connector.tenant or "", self._rule(connector), self._password.value or None)

    def _rule(self, connector: MqttSettings) -> dict[str, object] | None:
        said = self._grid.value.strip()
        if not said:
            return None
        try:
            seconds = float(said)
        except ValueError:
            raise RejectedError(f"seconds from row to row must be a number; it is {said!r}") from None
        levels = connector.pattern.split("/") if connector.pattern else []
        named = ["*" for level in levels if level.startswith("{") and level != "{sensor}"] or ["*"]
        return {"match": "/".join([connector.tenant or "*", *named]), "grid_seconds": seconds}

    async def _on_test(self) -> None:
        self._stop()
        self._wrong.text = ""
        try:
            topics = [self._topics.value.strip() or EVERYTHING]
            settings = checked({**self._connection(), "topics": topics})
        except RejectedError as error:
            self._wrong.text = str(error)
            return
        self._probe = Probe(settings, self._password.value or None)
        self._shown = (-1, Stage.CONNECTING)
        show(self._test, wanted=True)
        self._task = background_tasks.create(self._probe.run(), name="look at a broker")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _update(self) -> None:
        probe = self._probe
        if probe is None or self._shown == (probe.count, probe.stage):
            return
        self._shown = (probe.count, probe.stage)
        self._state.text = _said(probe)
        set_classes(self._state, f"state {probe.stage}{' wrong' if probe.trouble else ''}")
        if probe.seen and not self._pattern.is_touched:
            self._pattern.fill(suggested_pattern(probe.seen))
        if probe.stage is not Stage.FAILED and probe.stage is not Stage.CONNECTING:
            show(self._mapping, wanted=True)
        self._remap()

    def _remap(self) -> None:
        show(self._pattern.box, self._way.value == PATTERN)
        show(self._prefix.box, self._way.value == LEVELS)
        if self._probe is None:
            return
        try:
            mapped: MqttSettings | None = self._mapped()
        except RejectedError:
            mapped = None  # said below, where it is saved
        self._table.update(self._probe.seen, mapped)
        self._saving.update()


def _said(probe: Probe) -> str:
    where = f"{probe.settings.host}:{probe.settings.port}"
    match probe.stage:
        case Stage.CONNECTING:
            return f"Connecting to {where} …"
        case Stage.LISTENING if not probe.count:
            return f"{where} lets us in. Waiting for the first message, up to {LISTEN_SECONDS:.0f} s …"
        case Stage.FAILED:
            return probe.trouble
    return probe.trouble or f"{where} lets us in: {probe.count} messages on {len(probe.seen)} topics"
