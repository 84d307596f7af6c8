"""How the bus is reached and how hard it holds on to what it acknowledged."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.secrets import Secret


class Durability(StrEnum):
    """When a message counts as stored: after the disk has it, or once the server's process could be killed."""

    POWER_SAFE = "power-safe"
    PROCESS_SAFE = "process-safe"


class BusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The store of readings and of what was concluded. Without `url` its server is embedded: a child process."""

    url: Annotated[
        str | None,
        Meta(
            description="A NATS server with JetStream in place of the embedded one; of a cluster several, with commas.",
            examples=["nats://10.0.0.5:4222"],
        ),
    ] = None
    user: Annotated[str | None, Meta(description="Who signs in at that server.", examples=["anomaly"])] = None
    password: Annotated[
        Secret | None, Meta(description="Where the password is found.", examples=[{"env": "BROKER_PASSWORD"}])
    ] = None
    partitions: Annotated[
        int,
        Meta(description="Over how many partitions assets are spread. Fixed when a store is created.", ge=1, le=256),
    ] = 4
    durability: Annotated[
        Durability,
        Meta(description="What is acknowledged survives a power cut (power-safe), or the end of a process alone."),
    ] = Durability.POWER_SAFE
    quota_mb: Annotated[
        int, Meta(description="How much disk the store may fill; keep it well below what the disk has.", ge=16)
    ] = 4096
    memory_mb: Annotated[
        int,
        Meta(
            description="What the built-in server stays within where it can; 24 is enough for a box of some hundred "
            "sensors, and too little beyond takes much processor time.",
            ge=16,
        ),
    ] = 64
    replicas: Annotated[
        int, Meta(description="On how many servers of a cluster each stream is kept: 1, 3 or 5.", ge=1, le=5)
    ] = 1
    capsule_days: Annotated[
        float, Meta(description="For how long it is kept what an alarm rested on, so that it can be replayed.", gt=0.0)
    ] = 90.0
    capsule_mb: Annotated[
        int | None,
        Meta(description="How large all of that may be; none said: a sixteenth of quota_mb.", examples=[256]),
    ] = None
    port: Annotated[
        int, Meta(description="0: 4222 if it is free at the first start, else any; the choice is kept.", ge=0, le=65535)
    ] = 0
    mqtt_host: Annotated[
        str, Meta(description="Address that MQTT devices reach. Anything but loopback opens it to the network.")
    ] = "127.0.0.1"
    mqtt_port: Annotated[
        int, Meta(description="0: 1883 if it is free at the first start, else any; the choice is kept.", ge=0, le=65535)
    ] = 0
    server_binary: Annotated[
        str | None,
        Meta(description="Another nats-server than the one that is included.", examples=["/usr/bin/nats-server"]),
    ] = None

    def __post_init__(self) -> None:
        for url in self.url.split(",") if self.url is not None else ():
            if not _is_server(url):
                raise ValueError(
                    f"url must read nats://host:port, several with commas between them; not {url.rpartition('@')[2]!r}"
                )
        if not 1 <= self.partitions <= 256:
            raise ValueError("partitions must be 1 to 256")
        if self.quota_mb < 16:
            raise ValueError("quota_mb must be at least 16")
        if self.memory_mb < 16:
            raise ValueError("memory_mb must be at least 16")
        if self.replicas not in (1, 3, 5):
            raise ValueError("replicas must be 1, 3 or 5")
        if self.replicas > 1 and self.url is None:
            raise ValueError("replicas needs a cluster: name one of its servers as url")
        if not self.capsule_days > 0:
            raise ValueError("capsule_days must be more than 0")
        if self.capsule_mb is not None and self.capsule_mb < 1:
            raise ValueError("capsule_mb must be at least 1")

    @property
    def capsule_bytes(self) -> int:
        """How large all capsules may be together."""
        return (self.quota_mb << 20) // 16 if self.capsule_mb is None else self.capsule_mb << 20


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class BusAddress(msgspec.Struct, frozen=True):
    """Where a running bus is and how a role signs in; kept in the data folder, for its owner only."""

    url: str
    user: str | None
    password: str | None
    partitions: int
    quota_bytes: int
    mqtt_host: str | None = None
    mqtt_port: int | None = None


def address_file(data_dir: Path) -> Path:
    """Return where the address of a running bus stands."""
    return data_dir / "run" / "bus.json"


def read_address(data_dir: Path) -> BusAddress:
    """Return where the bus of this data folder is. Raises ConfigError when no system has been started there."""
    try:
        return msgspec.json.decode(address_file(data_dir).read_bytes(), type=BusAddress)
    except FileNotFoundError as error:
        raise ConfigError(
            f"no system runs in {data_dir}; start one with: iot-edge-anomaly up --data-dir {data_dir}"
        ) from error
