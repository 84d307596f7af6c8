"""Connect a program over HTTP: a token of its own, a command to try it, the first reading."""

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.arrivals import Arrivals
from iot_edge_anomaly.console.connect.tenant import TenantField
from iot_edge_anomaly.console.elements import box, button, text
from iot_edge_anomaly.console.fields import Field, command_line
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError


class ConnectHttp:
    """Make a token that may write readings of one tenant, show it once, wait for what comes."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        with box("card form", "section").props('aria-label="A program that sends over HTTP"'):
            text("h2", "A program that sends over HTTP")
            text("p", "It gets a token that may write readings of one tenant, and nothing else.")
            self._tenant = TenantField(visit.who)
            self._name = Field("Whom the token is for", hint="For example plc-7; it is shown in the list of tokens.")
            button("Create the token", self._on_create, "primary")
        self._result = box("result")

    def _on_create(self) -> None:
        tenant = self._tenant.value
        try:
            token = self._backstage.admit.create_token(self._visit.who, self._name.value, tenant)
        except IotEdgeAnomalyError as error:
            self._name.complain(str(error))
            return
        self._name.fill("")
        self._result.clear()
        with self._result:
            self._show(token, tenant)
            Arrivals(self._visit, self._backstage, tenant)

    def _show(self, token: str, tenant: str) -> None:
        example = (
            f'{{"asset": "{tenant}/site-1/hall-2/line-3/pump-6", "source": "plc", "epoch": 1, "sequence": 1, '
            '"rows": [{"flow": 12.1, "pressure": 3.4}]}'
        )
        with box("card", "section").props('aria-label="Token"'):
            text("h2", "The token")
            text("p", "It is shown this once. Put it where the program finds it now.", "notice")
            command_line(token, "Token")
            text("p", "Try it. The answer comes once the readings are stored for good:", "hint")
            command_line(
                f"curl {self._backstage.gateway}/v1/readings -H 'Authorization: Bearer {token}' "
                f"-H 'Content-Type: application/json' -d '{example}'",
                "Send a row",
            )
            text("p", "source, epoch and sequence make a repeat count once; count sequence up with each call.", "hint")
