"""Every route, once: what is served is what `/openapi.json` describes."""

import msgspec

from iot_edge_anomaly.gateway import ingest, predict, status, system
from iot_edge_anomaly.gateway.openapi import document
from iot_edge_anomaly.gateway.route import Call, Raw, Route, Text
from iot_edge_anomaly.observability.health import Readiness
from iot_edge_anomaly.security.principal import Permission


async def describe(_services: object, _call: Call) -> Text:
    """Return the OpenAPI document."""
    return Text("application/json", DOCUMENT)


ROUTES = (
    Route(
        "POST",
        "/v1/readings",
        "Store readings; answers once they are durable.",
        ingest.take_readings,
        ingest.Receipt,
        Permission.WRITE_READINGS,
        body=Raw,
        documented_body=ingest.Payload | list[ingest.Payload],
        status=202,
    ),
    Route(
        "POST",
        "/v1/predict",
        "Score the last row of a window, without storing it.",
        predict.predict,
        predict.Prediction,
        body=predict.Window,
    ),
    Route("GET", "/v1/status", "What runs, and how far each partition has come.", status.status, status.Status),
    Route("GET", "/healthz", "Tell that the process lives.", system.healthz, system.Alive, None),
    Route("GET", "/readyz", "Tell whether work can be taken.", system.readyz, Readiness, None),
    Route("GET", "/metrics", "Metrics of all roles of this machine, as Prometheus text.", system.metrics, Text),
    Route("GET", "/openapi.json", "This description.", describe, Text, None),
)

DOCUMENT = msgspec.json.encode(document(ROUTES))
