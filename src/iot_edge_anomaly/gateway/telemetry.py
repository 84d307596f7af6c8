"""What the gateway counts."""

from prometheus_client import Histogram

from iot_edge_anomaly.observability.metrics import REGISTRY
from iot_edge_anomaly.observability.signals import Level, Outage, Signal

READINGS = Signal("http_readings", "values accepted over HTTP", Level.COUNTED)
SET_ASIDE = Signal("http_readings_set_aside", "values set aside of what came over HTTP", Level.COUNTED)
INTAKE = Outage("http_intake", "the intake of readings over HTTP")
REFUSED = Signal("http_refused", "HTTP requests answered with a problem", Level.COUNTED, ("status", "kind"))

SECONDS = Histogram(
    "iea_http_request_seconds",
    "time to answer an HTTP request that was not refused; its count is the number of such requests",
    ["route"],
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
