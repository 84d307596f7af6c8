"""Every connector there is: one line makes it exist."""

from iot_edge_anomaly.component.connector import ConnectorSpec
from iot_edge_anomaly.connectors.csv_file import SPEC as CSV
from iot_edge_anomaly.connectors.host import SPEC as HOST
from iot_edge_anomaly.connectors.modbus import SPEC as MODBUS
from iot_edge_anomaly.connectors.mqtt import SPEC as MQTT
from iot_edge_anomaly.connectors.opcua import SPEC as OPCUA
from iot_edge_anomaly.connectors.sparkplug import SPEC as SPARKPLUG

CATALOG: dict[str, ConnectorSpec] = {spec.name: spec for spec in (MQTT, HOST, CSV, MODBUS, SPARKPLUG, OPCUA)}
