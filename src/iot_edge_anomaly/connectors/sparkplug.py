"""Sparkplug B: births, data and deaths of edge nodes, as a host application of Eclipse Sparkplug 3.0 takes them in.

The settings. What is remembered of a node: `sparkplug_nodes.py`; what becomes of a message: `sparkplug_read.py`; the
part that speaks MQTT: `sparkplug_host.py`, which is loaded when a connector is made: protocol buffers take memory that
an edge without Sparkplug keeps.
"""

import hashlib
import platform
from typing import Annotated

import msgspec
from msgspec import Meta

from iot_edge_anomaly.component.connector import Connector, ConnectorSpec
from iot_edge_anomaly.connectors.sparkplug_names import BY_DEVICE, Names
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.security.mqtt_access import CaFile, Host, Password, Port, Tls, User, Version

NAMESPACE = "spBv1.0"
OF_NODES = ("NBIRTH", "NDATA", "NDEATH")
OF_DEVICES = ("DBIRTH", "DDATA", "DDEATH")

_NO_LEVEL = frozenset("/+#\0")


class SparkplugSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="sparkplug"
):
    """Edge nodes that speak Sparkplug B at a broker, and how their devices and metrics name assets and sensors."""

    host: Host = "127.0.0.1"
    port: Port = 1883
    user: User = None
    password: Password = None
    tenant: Annotated[str, Meta(description="Who owns all assets of this broker.", examples=["acme"])]
    groups: Annotated[
        tuple[str, ...], Meta(description="Group ids to listen to; + stands for all.", examples=[["plant-1"]])
    ] = ("+",)
    asset: Annotated[
        str,
        Meta(
            description="How assets are named, of {group}, {node}, {device} and {folder}: what stands before the last "
            "/ of a metric's name, whose rest then is the sensor.",
            examples=["{group}/{node}/{device}/{folder}"],
        ),
    ] = BY_DEVICE
    host_id: Annotated[
        str,
        Meta(
            description="Id of this program as the primary host: its STATE tells edge nodes when to send and when to "
            "keep what they have; empty: it is none.",
            examples=["anomaly"],
        ),
    ] = ""
    rebirth: Annotated[
        bool,
        Meta(description="Ask an edge node for its births where they are missing; needs the right to publish NCMD."),
    ] = True
    client_id: Annotated[
        str,
        Meta(
            description="How the broker knows the session; empty: made of this machine's name and what is subscribed."
        ),
    ] = ""
    clean_session: Annotated[
        bool,
        Meta(
            description="Begin without what the broker kept meanwhile, as the specification has it; what edge nodes "
            "published at QoS 1 while this program was away is lost then."
        ),
    ] = False
    version: Version = "3.1.1"
    tls: Tls = False
    ca_file: CaFile = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError("port must be from 1 to 65535")
        if not self.groups:
            raise ValueError('say which groups to listen to, for example groups = ["plant-1"], or ["+"] for all')
        for group in self.groups:
            if group != "+" and (not group or _NO_LEVEL.intersection(group)):
                raise ValueError(f"{group!r} cannot be a group id: it is empty or holds one of / + #")
        if _NO_LEVEL.intersection(self.host_id):
            raise ValueError(f"{self.host_id!r} cannot be a host id: it holds one of / + #")
        if not self.tenant.strip() or "/" in self.tenant:
            raise ValueError(f'{self.tenant!r} cannot be a tenant; for example tenant = "acme"')
        try:
            self.names()
        except RejectedError as error:
            raise ValueError(f"asset: {error}") from error

    def names(self) -> Names:
        """Return how metrics name assets and sensors."""
        return Names(self.tenant, self.asset)

    def state_topic(self) -> str:
        """Return where the primary host says that it is there; empty: it is none."""
        return f"{NAMESPACE}/STATE/{self.host_id}" if self.host_id else ""

    def subscriptions(self) -> tuple[str, ...]:
        """Return the topic filters: what edge nodes say, not what they are told."""
        nodes = [f"{NAMESPACE}/{group}/{verb}/+" for group in self.groups for verb in OF_NODES]
        devices = [f"{NAMESPACE}/{group}/{verb}/+/+" for group in self.groups for verb in OF_DEVICES]
        state = self.state_topic()
        return (*nodes, *devices, *((state,) if state else ()))

    def session(self) -> str:
        """Return the client id: two connectors of one machine must not take the broker from each other."""
        subscribed = hashlib.sha256("\n".join(self.subscriptions()).encode()).hexdigest()[:8]
        return self.client_id or f"iot-edge-anomaly-{platform.node()}-{subscribed}"


def create(settings: SparkplugSettings) -> Connector:
    """Make a connector; only now is the part loaded that knows protocol buffers."""
    from iot_edge_anomaly.connectors.sparkplug_host import SparkplugConnector

    return SparkplugConnector(settings)


SPEC = ConnectorSpec("sparkplug", SparkplugSettings, create)
