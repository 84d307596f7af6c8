"""How a program is let in to an MQTT broker: what both connectors and sinks may say of one, and the client it makes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, Protocol

from msgspec import Meta
from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.secrets import Secret

CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 60

Host = Annotated[str, Meta(description="Where the broker is.")]
Port = Annotated[int, Meta(description="8883 is usual with `tls`.", ge=1, le=65535)]
User = Annotated[str | None, Meta(description="Who signs in; none: nobody.", examples=["anomaly"])]
Password = Annotated[
    Secret | None, Meta(description="Where the password is found.", examples=[{"env": "BROKER_PASSWORD"}])
]
Version = Annotated[Literal["3.1.1", "5"], Meta(description="Version of MQTT.")]
Tls = Annotated[bool, Meta(description="Encrypt, and verify the broker's certificate.")]
CaFile = Annotated[
    str | None,
    Meta(description="Who to trust, for `tls`; none: as the system does.", examples=["/etc/ssl/plant-ca.pem"]),
]


class MqttAccess(Protocol):
    """What settings say of a broker."""

    @property
    def host(self) -> str:
        """Where it is."""
        ...

    @property
    def port(self) -> int:
        """On which port."""
        ...

    @property
    def user(self) -> str | None:
        """Who signs in."""
        ...

    @property
    def password(self) -> Secret | None:
        """Where the password is found."""
        ...

    @property
    def version(self) -> Literal["3.1.1", "5"]:
        """Version of MQTT."""
        ...

    @property
    def tls(self) -> bool:
        """Whether to encrypt."""
        ...

    @property
    def ca_file(self) -> str | None:
        """Who to trust."""
        ...


def mqtt_client(access: MqttAccess, client_id: str, *, clean: bool, manual_ack: bool = False) -> Client:
    """Make a client that is not connected yet and will not connect again by itself.

    `clean`: the broker keeps nothing of an earlier session (of MQTT 5 that is said at the connect). Raises ConfigError
    when a secret or certificate that the settings name cannot be used.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if access.version == "5" else clean,
        protocol=MQTTv5 if access.version == "5" else MQTTv311,
        reconnect_on_failure=False,
        manual_ack=manual_ack,
    )
    client.connect_timeout = CONNECT_SECONDS
    if access.user is not None:
        client.username_pw_set(access.user, access.password.resolve() if access.password else None)
    if access.tls:
        with _config_errors(f"ca_file {access.ca_file}"):
            client.tls_set(ca_certs=access.ca_file)
    return client


@contextmanager
def _config_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use {what}: {error}") from error
