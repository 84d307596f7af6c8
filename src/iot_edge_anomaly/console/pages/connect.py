"""A first run: choose how readings come in, see the first ones arrive, watch their assets learn."""

from collections.abc import Callable
from typing import NamedTuple

from nicegui import ui

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.connect.broker import ConnectBroker
from iot_edge_anomaly.console.connect.csv_file import ConnectCsv
from iot_edge_anomaly.console.connect.http_api import ConnectHttp
from iot_edge_anomaly.console.connect.listener import ConnectListener
from iot_edge_anomaly.console.connect.written import ConnectWritten
from iot_edge_anomaly.console.elements import box, text
from iot_edge_anomaly.console.shell import PageSpec, Visit
from iot_edge_anomaly.security.principal import Permission


class Way(NamedTuple):
    """A way for readings to come in."""

    name: str
    title: str
    says: str
    icon: str
    build: Callable[[Visit, Backstage], object]


WAYS = (
    Way("listener", "MQTT device", "It publishes to the listener built into this system.", "sensors", ConnectListener),
    Way("broker", "Your own broker", "Mosquitto, HiveMQ, EMQX, a gateway: read along there.", "hub", ConnectBroker),
    Way("http", "HTTP", "A program or PLC gateway posts JSON or MessagePack.", "http", ConnectHttp),
    Way(
        "written",
        "Modbus, OPC UA, Sparkplug",
        "A PLC, a server, an edge node: from an example.",
        "factory",
        ConnectWritten,
    ),
    Way("csv", "CSV file", "History from a file, read once.", "description", ConnectCsv),
)


def build(visit: Visit) -> None:
    """Offer the ways, and walk through the one that the address names."""
    text("h1", "Connect")
    backstage = visit.console.backstage
    if backstage is None:
        text("p", "This console only looks at a plant: nothing can be connected from here.")
        return
    if Permission.CONFIGURE not in visit.who.permissions:
        text("p", f"To connect a source takes the permission 'configure', which {visit.who.name} does not have.")
        text("p", "Ask whoever runs this system for it, or to connect the source for you.", "hint")
        return
    chosen = visit.request.query_params.get("by", "")
    text("p", "How do the readings come? An asset exists from its first reading on.", "hint")
    with box("ways", "nav").props('aria-label="Ways to connect"'):
        for way in WAYS:
            _offer(way, is_chosen=way.name == chosen)
    for way in WAYS:
        if way.name == chosen:
            with box("walk"):
                way.build(visit, backstage)


def _offer(way: Way, *, is_chosen: bool) -> None:
    with box("way", "a") as link:
        link.props["href"] = f"/connect?by={way.name}"
        if is_chosen:
            link.props["aria-current"] = "true"
        ui.icon(way.icon).props("aria-hidden=true")
        with box("about"):
            text("span", way.title, "name")
            text("span", way.says, "hint")


SPEC = PageSpec("/connect", "Connect", "cable", build)
