"""Connect what takes more than a form: its part of the configuration is written here, from an example to start with."""

import tomllib
from collections.abc import Mapping

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.saving import known_connectors, show_started
from iot_edge_anomaly.console.elements import box, button, show, text
from iot_edge_anomaly.console.fields import Choice, Editor
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.operations.configure import FILE, Invalid, with_blocks
from iot_edge_anomaly.security.principal import EVERY_TENANT

MOST_FINDINGS = 8
PROTOCOLS: Mapping[str, str] = {"modbus": "Modbus TCP", "opcua": "OPC UA", "sparkplug": "Sparkplug B"}
EXAMPLES: Mapping[str, str] = {
    "modbus": """[[connector]]
type = "modbus"
host = "127.0.0.1"
port = 502

[[connector.devices]]
unit = 1
asset = "acme/line-3/pump-7"
seconds = 1.0
points = [
    { sensor = "flow", kind = "input", address = 0, type = "float32", order = "CDAB" },
    { sensor = "temperature", kind = "holding", address = 2, type = "int16", scale = 0.1 },
    { sensor = "running", kind = "coil", address = 0 },
]
""",
    "opcua": """[[connector]]
type = "opcua"
url = "opc.tcp://127.0.0.1:4840"
certificate = "opcua/client.pem"
private_key = "opcua/client.key"
trusted = "opcua/server.pem"
points = [
    { node = "ns=2;s=Pump7.Flow", asset = "acme/line-3/pump-7", sensor = "flow" },
]
""",
    "sparkplug": """[[connector]]
type = "sparkplug"
host = "127.0.0.1"
port = 1883
tenant = "acme"
groups = ["plant"]
""",
}


class ConnectWritten:
    """An editor that begins with an example, says line by line what is wrong, and saves."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        with box("card form", "section").props('aria-label="An industrial protocol"') as self._card:
            text("h2", "An industrial protocol")
            if visit.who.tenants != EVERY_TENANT:
                text(
                    "p", "These connectors may bring in readings of any tenant: only who may configure all may connect."
                )
                return
            text(
                "p", f"Change the example. It is added to {FILE} in the data folder and taken into use at once.", "hint"
            )
            self._protocol = Choice("Protocol", PROTOCOLS, changed=self._on_protocol)
            self._editor = Editor("Its tables", EXAMPLES[self._protocol.value], rows=14, changed=self._check)
            self._problems = box("problems", "ul").props("role=status")
            self._save = button("Save and connect", self._on_save, "primary")
        self._after = box("result")
        self._check()

    def _on_protocol(self) -> None:
        self._editor.fill(EXAMPLES[self._protocol.value])
        self._check()

    def _check(self) -> None:
        self._complain([str(one) for one in self._backstage.configure.findings(self._visit.who, self._editor.value)])

    def _complain(self, problems: list[str]) -> None:
        self._problems.clear()
        with self._problems:
            for problem in problems[:MOST_FINDINGS]:
                text("li", problem, "wrong")
        self._save.props["disabled"] = bool(problems)

    async def _on_save(self) -> None:
        configure, who, written = self._backstage.configure, self._visit.who, self._editor.value
        before = known_connectors(self._backstage)
        try:
            base = configure.current(who)
            await configure.apply(who, with_blocks(base, written), base, f"connected {self._protocol.value}")
        except Invalid as error:
            self._complain([str(one) for one in error.findings])
        except IotEdgeAnomalyError as error:
            self._complain([str(error)])
        else:
            show(self._card, wanted=False)
            with self._after:
                show_started(self._visit, self._backstage, before, tenant_in(written))


def tenant_in(written: str) -> str:
    """Return whose assets a connector brings in, by the first name that is written; nothing where none is.

    >>> tenant_in(EXAMPLES["modbus"]), tenant_in(EXAMPLES["opcua"]), tenant_in(EXAMPLES["sparkplug"])
    ('acme', 'acme', 'acme')
    """
    for table in tomllib.loads(written).get("connector", []):
        named = [table.get("tenant"), *(part.get("asset") for key in _LISTS for part in table.get(key, []))]
        for name in named:
            if isinstance(name, str) and name:
                return name.partition("/")[0]
    return ""


_LISTS = ("devices", "points", "browse")
