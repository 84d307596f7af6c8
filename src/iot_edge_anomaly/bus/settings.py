"""How the bus is reached and how hard it holds on to what it acknowledged."""

from enum import StrEnum
from pathlib import Path

import msgspec

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.secrets import Secret


class Durability(StrEnum):
    """When a message counts as stored: after the disk has it, or once the server's process could be killed."""

    POWER_SAFE = "power-safe"
    PROCESS_SAFE = "process-safe"


class BusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[bus]` table. Without `url` the server is embedded: a child process with its files in the data folder.

    `partitions` is fixed when a store is created. Ports of 0 are chosen at the first start and recorded.
    """

    url: str | None = None
    user: str | None = None
    password: Secret | None = None
    partitions: int = 4
    durability: Durability = Durability.POWER_SAFE
    quota_mb: int = 4096
    port: int = 0
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 0
    server_binary: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= 256:
            raise ValueError("partitions must be 1 to 256")
        if self.quota_mb < 16:
            raise ValueError("quota_mb must be at least 16")


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
