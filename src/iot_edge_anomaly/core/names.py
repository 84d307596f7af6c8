"""Names of tenants, assets and sensors: their rules, subject tokens and partition. The one place that knows."""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from itertools import islice

import msgspec

from iot_edge_anomaly.core.errors import RejectedError

MAX_NAME_BYTES = 200
MAX_SENSOR_BYTES = 128
MOST_COMPARED = 1_000

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_ENCODED = re.compile(r"=([0-9A-F]{2})")


class AssetKey(msgspec.Struct, frozen=True, order=True):
    """An asset of a tenant. Written `tenant/site/area/line/asset`: the first segment is the tenant."""

    tenant: str
    asset: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.asset}"

    @classmethod
    def parse(cls, name: str) -> "AssetKey":
        """Read `tenant/…/asset`. Raises RejectedError with the rule that the name breaks."""
        name = _checked(name, "asset", MAX_NAME_BYTES)
        tenant, slash, asset = name.partition("/")
        if not slash or any(not segment.strip() for segment in name.split("/")):
            raise RejectedError(f"asset name {name!r} must read tenant/.../asset, each part filled")
        return cls(tenant, asset)


def nearest(name: str, names: Iterable[str], likeness: float = 0.6) -> str:
    """Return the name that was most likely meant, of the first 1,000; empty: none is like it (likeness 0 to 1)."""
    return next(iter(difflib.get_close_matches(name, islice(names, MOST_COMPARED), n=1, cutoff=likeness)), "")


def sensor_name(name: str) -> str:
    """Return the name in its normal form. Raises RejectedError with the rule that it breaks."""
    return _checked(name, "sensor", MAX_SENSOR_BYTES)


def _checked(name: str, what: str, limit: int) -> str:
    name = unicodedata.normalize("NFC", name)
    if not name.strip():
        raise RejectedError(f"{what} name is empty")
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise RejectedError(f"{what} name {name!r} is not valid Unicode") from error
    if len(encoded) > limit:
        raise RejectedError(f"{what} name is {len(encoded)} bytes long, more than {limit}: {name[:40]!r}...")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise RejectedError(f"{what} name {name!r} holds a control character")
    return name


def to_token(name: str) -> str:
    """Encode any name as one NATS subject token or key part: letters, digits, `_`, `-` stay, other bytes become `=XX`.

    >>> to_token("pump 1.b"), from_token("pump=201=2Eb")
    ('pump=201=2Eb', 'pump 1.b')
    """
    if not name:
        return "="
    return "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in name.encode())


def from_token(token: str) -> str:
    """Decode what `to_token` made. Raises RejectedError for anything else."""
    if token == "=":  # noqa: S105 - a subject token, no secret
        return ""
    try:
        name = _ENCODED.sub(lambda hit: chr(int(hit[1], 16)), token).encode("latin-1").decode()
    except UnicodeError as error:
        raise RejectedError(f"{token!r} is not an encoded name") from error
    if to_token(name) != token:
        raise RejectedError(f"{token!r} is not an encoded name")
    return name


def asset_token(key: AssetKey) -> str:
    """Encode an asset as two subject tokens: `tenant.asset`."""
    return f"{to_token(key.tenant)}.{to_token(key.asset)}"


def partition_of(key: AssetKey, partitions: int) -> int:
    """Return the partition an asset lives in: a stable hash of tenant and asset."""
    digest = hashlib.blake2b(f"{key.tenant}\0{key.asset}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % partitions
