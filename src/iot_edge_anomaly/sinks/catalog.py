"""Every sink there is: one line makes it exist."""

from iot_edge_anomaly.component.sink import SinkSpec
from iot_edge_anomaly.sinks.email import SPEC as EMAIL
from iot_edge_anomaly.sinks.file import SPEC as FILE
from iot_edge_anomaly.sinks.mqtt import SPEC as MQTT
from iot_edge_anomaly.sinks.settings import SinkSettings
from iot_edge_anomaly.sinks.webhook import SPEC as WEBHOOK

CATALOG: dict[str, SinkSpec] = {spec.name: spec for spec in (MQTT, WEBHOOK, EMAIL, FILE)}


def spec_of(settings: SinkSettings) -> SinkSpec:
    """Return the line of the catalog that settings belong to."""
    return next(spec for spec in CATALOG.values() if spec.settings is type(settings))
