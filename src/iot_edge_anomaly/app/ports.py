"""Ports that are chosen once and recorded, so that an address stays the same from start to start."""

import socket
from pathlib import Path

import msgspec

from iot_edge_anomaly.core.errors import ConfigError


def choose_port(data_dir: Path, name: str, host: str, wanted: int, preferred: int) -> int:
    """Return the port to listen on: the one wanted, else the recorded one if free, else the preferred, else any.

    Raises ConfigError when the wanted port is taken.
    """
    record = data_dir / "run" / "ports.json"
    known = msgspec.json.decode(record.read_bytes(), type=dict[str, int]) if record.exists() else {}
    if wanted:
        if not _is_free(host, wanted):
            raise ConfigError(f"{name}: port {wanted} on {host} is in use; choose another, or 0 to have one chosen")
        port = wanted
    else:
        port = next((p for p in (known.get(name, 0), preferred) if p and _is_free(host, p)), 0) or _any_free(host)
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode({**known, name: port}))
    draft.replace(record)
    return port


def recorded_port(data_dir: Path, name: str) -> int:
    """Return the port that was chosen. Raises ConfigError when none has been."""
    record = data_dir / "run" / "ports.json"
    known = msgspec.json.decode(record.read_bytes(), type=dict[str, int]) if record.exists() else {}
    if name not in known:
        raise ConfigError(f"no port of the {name} is recorded in {record}; start a system with: iot-edge-anomaly up")
    return known[name]


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _any_free(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
