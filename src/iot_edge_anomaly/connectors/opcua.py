"""OPC UA: what may be said of a server, of how it is trusted, and of what is subscribed there.

This module loads no protocol library, for every process imports the catalog; a connector loads it when it is made.
"""

import hashlib
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from iot_edge_anomaly.component.connector import Connector, ConnectorSpec
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey, sensor_name
from iot_edge_anomaly.security.secrets import Secret

Policy = Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss", "None"]
DEFAULT_PORT = 4840
MOST_POINTS = 100_000
TIME_NAMES = ("time", "timestamp")
"""What no sensor can be called: a row of a payload has its time there."""

_NODE = re.compile(
    r"(ns=\d{1,5};|nsu=[^;]+;)?(i=\d{1,10}|s=.+|b=[A-Za-z0-9+/=]+|g=[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})",
    re.DOTALL,
)


class OpcUaPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variable of the server, and the sensor it is."""

    node: Annotated[str, Meta(description="Its NodeId.", examples=["ns=2;s=Pump7.Flow"])]
    asset: Annotated[str, Meta(description="The asset it is of.", examples=["acme/site-1/pump-7"])]
    sensor: Annotated[str, Meta(description="What the sensor is called.", examples=["flow"])]

    def __post_init__(self) -> None:
        _check_node(self.node, "node")
        try:
            AssetKey.parse(self.asset)
            checked_sensor(self.sensor)
        except RejectedError as error:
            raise ValueError(str(error)) from error


class OpcUaBrowse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A branch of the server's tree of which every number is a sensor."""

    asset: Annotated[str, Meta(description="How all its assets begin, the tenant first.", examples=["acme/site-1"])]
    start: Annotated[str, Meta(description="NodeId of where the branch begins.", examples=["ns=2;s=Plant"])] = "i=85"
    asset_levels: Annotated[
        int | None,
        Meta(
            description="How many names of the path, from below start on, belong to the asset; none: all but the last.",
            examples=[1],
        ),
    ] = None
    depth: Annotated[int, Meta(description="How many levels below the start are looked at.", ge=1, le=20)] = 6

    def __post_init__(self) -> None:
        _check_node(self.start, "start")
        if not 1 <= self.depth <= 20 or not 0 <= (self.asset_levels or 0) <= 20:
            raise ValueError("depth must be from 1 to 20, asset_levels from 0 to 20")
        try:
            AssetKey.parse(f"{self.asset}/any")
        except RejectedError as error:
            raise ValueError(str(error)) from error


class OpcUaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="opcua"):
    """A server of OPC UA, and which of its variables are which sensors."""

    url: Annotated[str, Meta(description="Where the server is.", examples=["opc.tcp://plc-7.plant:4840"])]
    security: Annotated[
        Policy,
        Meta(description="Security policy. `None` is neither signed nor encrypted, and trusts whoever answers."),
    ] = "Basic256Sha256"
    mode: Annotated[
        Literal["SignAndEncrypt", "Sign"], Meta(description="What is done to messages, unless security is `None`.")
    ] = "SignAndEncrypt"
    certificate: Annotated[
        str | None,
        Meta(description="File of this program's own certificate, PEM or DER.", examples=["opcua/client.pem"]),
    ] = None
    private_key: Annotated[
        str | None, Meta(description="File of its private key, PEM or DER.", examples=["opcua/client.key"])
    ] = None
    private_key_password: Annotated[
        Secret | None,
        Meta(description="Where the password of that key is found.", examples=[{"env": "OPCUA_KEY_PASSWORD"}]),
    ] = None
    trusted: Annotated[
        str | None,
        Meta(
            description="File of the server's certificate, or of who issued it; any other server is refused.",
            examples=["opcua/server.pem"],
        ),
    ] = None
    user: Annotated[
        str | None, Meta(description="Who signs in; none: anonymous, or by certificate.", examples=["anomaly"])
    ] = None
    password: Annotated[
        Secret | None, Meta(description="Where the password is found.", examples=[{"env": "OPCUA_PASSWORD"}])
    ] = None
    plain_password: Annotated[
        bool, Meta(description="Let the password go over a connection that is not encrypted.")
    ] = False
    user_certificate: Annotated[
        str | None,
        Meta(
            description="File of a certificate to sign in with; then user and password are not used.",
            examples=["opcua/user.pem"],
        ),
    ] = None
    user_private_key: Annotated[
        str | None, Meta(description="File of its private key.", examples=["opcua/user.key"])
    ] = None
    points: Annotated[
        tuple[OpcUaPoint, ...],
        Meta(
            description="Variables to subscribe to.",
            examples=[[{"node": "ns=2;s=Pump7.Flow", "asset": "acme/site-1/pump-7", "sensor": "flow"}]],
        ),
    ] = ()
    browse: Annotated[
        tuple[OpcUaBrowse, ...],
        Meta(
            description="Branches of which every number is subscribed to.",
            examples=[[{"start": "ns=2;s=Plant", "asset": "acme/site-1"}]],
        ),
    ] = ()
    sample_seconds: Annotated[
        float, Meta(description="How often the server looks at a variable; 0: as fast as it can.", ge=0.0, le=86400.0)
    ] = 1.0
    publish_seconds: Annotated[
        float, Meta(description="How often the server sends what changed.", ge=0.01, le=3600.0)
    ] = 1.0
    queue: Annotated[
        int,
        Meta(
            description="So many changes of each variable the server is asked to keep while they cannot be sent.",
            ge=1,
            le=1_000_000,
        ),
    ] = 600
    keep_seconds: Annotated[
        float,
        Meta(
            description="So long the server is asked to keep session and queues while nobody is there.",
            ge=30.0,
            le=604800.0,
        ),
    ] = 600.0
    dead_band: Annotated[
        float, Meta(description="A value must change by more than this to be sent; 0: by anything.", ge=0.0, le=1e300)
    ] = 0.0
    unchanged: Annotated[
        bool, Meta(description="Send a value also when it was measured anew and is the same as before.")
    ] = False

    def __post_init__(self) -> None:
        self._check_address()
        self._check_security()
        self._check_user()
        if not self.points and not self.browse:
            raise ValueError(
                'say what to subscribe to, for example browse = [{ start = "ns=2;s=Plant", asset = "acme/site-1" }]'
            )
        if len(self.points) > MOST_POINTS:
            raise ValueError(f"points are more than {MOST_POINTS}: make several connectors of them")
        named: set[tuple[str, str]] = set()
        for point in self.points:
            if (point.asset, point.sensor) in named:
                raise ValueError(f"points name the sensor {point.sensor!r} of {point.asset} twice")
            named.add((point.asset, point.sensor))

    @property
    def host(self) -> str:
        """Name or address of the server."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.url).port or DEFAULT_PORT

    @property
    def endpoint(self) -> str:
        """The address with its port."""
        parts = urlsplit(self.url)
        return self.url if parts.port else parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}").geturl()

    def source(self) -> str:
        """Return what readings are said to come from: two connectors must not number for one source."""
        subscribed = msgspec.json.encode([self.url, self.points, self.browse])
        return f"opcua-{self.host[:64]}-{hashlib.sha256(subscribed).hexdigest()[:8]}"

    def _check_address(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_address = parts.scheme == "opc.tcp" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise ValueError(f"url must read opc.tcp://host:port; it is {self.url!r}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must hold no user and no password: say them in user and password")

    def _check_security(self) -> None:
        wanted = {"certificate": self.certificate, "private_key": self.private_key, "trusted": self.trusted}
        if self.security == "None":
            if given := [name for name, path in wanted.items() if path]:
                raise ValueError(f'{given[0]} is of no use with security = "None": leave it out, or choose a policy')
        elif missing := [name for name, path in wanted.items() if not path]:
            raise ValueError(
                f'{", ".join(missing)} must be given with security = "{self.security}"; '
                'security = "None" would trust whoever answers'
            )

    def _check_user(self) -> None:
        if (self.user_certificate is None) != (self.user_private_key is None):
            raise ValueError("user_certificate and user_private_key must be given together")
        if self.password is not None and self.user is None:
            raise ValueError("password is given without user")
        is_encrypted = self.security != "None" and self.mode == "SignAndEncrypt"
        if self.password is not None and not is_encrypted and not self.plain_password:
            raise ValueError(
                "password would go over a connection that is not encrypted: use SignAndEncrypt, "
                "or say plain_password = true"
            )


def checked_sensor(name: str) -> str:
    """Return a name of a sensor in its normal form. Raises RejectedError."""
    if name in TIME_NAMES:
        raise RejectedError(f"sensor cannot be called {name!r}")
    return sensor_name(name)


def _check_node(node: str, what: str) -> None:
    if not _NODE.fullmatch(node):
        raise ValueError(
            f"{what} must be a NodeId such as ns=2;s=Pump7.Flow, ns=2;i=5 or nsu=urn:plant;s=Flow; it is {node!r}"
        )


def create(settings: OpcUaSettings) -> Connector:
    """Make the connector; only now its library is loaded."""
    from iot_edge_anomaly.connectors.opcua_intake import OpcUaConnector

    return OpcUaConnector(settings)


SPEC = ConnectorSpec("opcua", OpcUaSettings, create)
