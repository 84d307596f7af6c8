"""How this system is: what runs, what was set aside, who may come in, how it is configured."""

from collections.abc import Callable
from typing import NamedTuple

from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.elements import box, text
from iot_edge_anomaly.console.shell import PageSpec, Visit
from iot_edge_anomaly.console.system.access import Access
from iot_edge_anomaly.console.system.configuration import Configuration
from iot_edge_anomaly.console.system.runs import WhatRuns
from iot_edge_anomaly.console.system.set_aside import WhatWasSetAside


class Part(NamedTuple):
    """A part of the page, by the name it has in the address."""

    name: str
    title: str
    build: Callable[[Visit, Backstage], object]


PARTS = (
    Part("runs", "What runs", WhatRuns),
    Part("set-aside", "Set aside", WhatWasSetAside),
    Part("access", "Access", Access),
    Part("configuration", "Configuration", Configuration),
)


def build(visit: Visit) -> None:
    """Show the part that the address names, at first what runs."""
    text("h1", "System")
    backstage = visit.console.backstage
    if backstage is None:
        text("p", "This console only looks at a plant: of the system behind it nothing is known here.")
        return
    wanted = visit.request.query_params.get("show", "")
    shown = next((part for part in PARTS if part.name == wanted), PARTS[0])
    with box("parts", "nav").props('aria-label="Parts of this page"'):
        for part in PARTS:
            link = text("a", part.title, "part")
            link.props["href"] = f"/system?show={part.name}"
            if part is shown:
                link.props["aria-current"] = "true"
    with box("system"):
        shown.build(visit, backstage)


SPEC = PageSpec("/system", "System", "dns", build)
