"""Every connector there is: one line makes it exist."""

from iot_edge_anomaly.component.connector import ConnectorSpec
from iot_edge_anomaly.connectors import csv_file, host, mqtt

CATALOG: dict[str, ConnectorSpec] = {spec.name: spec for spec in (mqtt.SPEC, host.SPEC, csv_file.SPEC)}
