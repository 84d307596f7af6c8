"""Credentials of devices that speak MQTT to the embedded server.

The server knows passwords as plain text or bcrypt only, and bcrypt is slow by intent at every connection: these
passwords are random (192 bits, nothing to guess), so they stand plain in a file that only its owner may read.
"""

import re
import secrets
from pathlib import Path

import msgspec

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.private_file import changing, write_private

_USER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device, or a gateway of many: it may publish below `ingress/<tenant>/` only."""

    user: str
    password: str
    tenant: str


def devices_file(data_dir: Path) -> Path:
    """Return where the credentials of a data folder stand."""
    return data_dir / "security" / "devices.json"


def devices(data_dir: Path) -> tuple[Device, ...]:
    """Return every device, in order of creation. Raises ConfigError when the file cannot be read."""
    path = devices_file(data_dir)
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Device, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"cannot read the devices in {path}: {error}; restore it or move it away") from error


def create_device(data_dir: Path, user: str, tenant: str) -> Device:
    """Make credentials with a fresh password. Raises ConfigError when the name is taken or breaks a rule."""
    if not _USER.fullmatch(user):
        raise ConfigError(f"device name {user!r} must be 1 to 64 letters, digits, '_' or '-'")
    device = Device(user, secrets.token_urlsafe(24), _tenant(tenant))
    with changing(devices_file(data_dir)):
        others = devices(data_dir)
        if any(other.user == user for other in others):
            raise ConfigError(f"there is a device {user!r} already; remove it first, or choose another name")
        _write(data_dir, (*others, device))
    return device


def remove_device(data_dir: Path, user: str) -> bool:
    """Forget a device; False when there is none of this name."""
    with changing(devices_file(data_dir)):
        others = devices(data_dir)
        kept = tuple(other for other in others if other.user != user)
        _write(data_dir, kept)
    return len(kept) < len(others)


def _tenant(name: str) -> str:
    tenant = AssetKey.parse(f"{name}/asset").tenant
    if tenant != name:
        raise ConfigError(f"tenant {name!r} must be one segment in normal form: no '/'")
    return tenant


def _write(data_dir: Path, entries: tuple[Device, ...]) -> None:
    write_private(devices_file(data_dir), msgspec.json.format(msgspec.json.encode(entries), indent=1))
