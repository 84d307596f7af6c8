"""Whether the gateway lives, whether it can work, its metrics and its description."""

import msgspec

from iot_edge_anomaly.gateway.problems import ProblemError
from iot_edge_anomaly.gateway.route import Call, Text
from iot_edge_anomaly.gateway.services import ROLE, Services
from iot_edge_anomaly.observability.health import Readiness, readiness
from iot_edge_anomaly.observability.metrics import CONTENT_TYPE, metrics_folder, render


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


async def healthz(_services: Services, _call: Call) -> Alive:
    """Answer: the process lives."""
    return Alive()


async def metrics(services: Services, _call: Call) -> Text:
    """Return the metrics of all roles on this machine as Prometheus text."""
    return Text(CONTENT_TYPE, render(ROLE, metrics_folder(services.data_dir)))


async def readyz(services: Services, _call: Call) -> Readiness:
    """Answer if work can be taken; else a problem (503) says what is missing."""
    found = readiness(services.checks())
    if not found.ready:
        detail = "; ".join(f"{check.name}: {check.detail}" for check in found.checks if not check.ok)
        raise ProblemError(503, "not-ready", "Not ready", detail, {"Retry-After": "1"})
    return found
