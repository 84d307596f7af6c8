"""Bearer tokens: random, shown once, stored as digests in a file that only its owner may read.

A token reads `iea_<id>_<secret>`; the secret has 256 random bits, so a plain SHA-256 of it cannot be searched.
"""

import hashlib
import hmac
import secrets
import time
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from iot_edge_anomaly.core.clock import Clock, SystemClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.principal import Permission, Principal, owner
from iot_edge_anomaly.security.private_file import changing, write_private

PREFIX = "iea"
SIGN_IN_LIFETIME = timedelta(minutes=15)


class TokenKind(StrEnum):
    """What a token is good for."""

    BEARER = "bearer"
    SIGN_IN = "sign-in"
    SESSION = "session"


class TokenRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a token. `expires_ns` None: valid until revoked. `parent`: the token that a session rests on."""

    id: str
    name: str
    kind: TokenKind
    digest: str
    tenants: frozenset[str] | Literal["*"]
    permissions: frozenset[Permission]
    created_ns: int
    expires_ns: int | None = None
    parent: str = ""

    @property
    def principal(self) -> Principal:
        """Whoever presents this token."""
        return Principal(self.name, self.tenants, self.permissions)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1] = 1
    tokens: tuple[TokenRecord, ...] = ()


class TokenStore:
    """Tokens of one data folder, for many processes and threads.

    A token that another process made is known at once; one that it revoked is refused after `recheck_seconds`.
    """

    def __init__(self, path: Path, clock: Clock | None = None, recheck_seconds: float = 1.0) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._recheck_seconds = recheck_seconds
        self._next_look = float("-inf")
        self._seen: tuple[int, int, int] | None = None
        self._by_id: dict[str, TokenRecord] = {}
        self._verified: dict[tuple[str, TokenKind], tuple[Principal, int]] = {}

    def verify(self, token: str, kind: TokenKind = TokenKind.BEARER) -> Principal | None:
        """Return who presents this token; None when it is unknown, of another kind, wrong, revoked or expired.

        Costs under a microsecond for a token seen before. Raises ConfigError while the file cannot be read.
        """
        if time.monotonic() >= self._next_look:
            self._look()
        known = self._verified.get((token, kind))
        if known is None:
            self._look()
            known = self._remember(token, kind)
        return known[0] if known is not None and self._clock.now_ns() < known[1] else None

    def create(
        self,
        principal: Principal,
        *,
        lifetime: timedelta | None = None,
        kind: TokenKind = TokenKind.BEARER,
    ) -> str:
        """Make a token for a principal and return it: the only time it can be read."""
        token, record = _mint(principal, kind, self._clock.now_ns(), lifetime)
        self.add(record)
        return token

    def add(self, record: TokenRecord) -> None:
        """Keep a token."""
        with changing(self._path):
            self._write((*self._unexpired(), record))

    def create_sign_in(self, principal: Principal, lifetime: timedelta = SIGN_IN_LIFETIME) -> str:
        """Make a token that `redeem` takes once, for a link to the console."""
        return self.create(principal, lifetime=lifetime, kind=TokenKind.SIGN_IN)

    def open_session(self, token: str, lifetime: timedelta) -> str | None:
        """Return a session of whoever presents this bearer token; it ends with the token, if not before.

        None when the token is good for nothing.
        """
        with changing(self._path):
            records = self._unexpired()
            parent = _matching(token, {record.id: record for record in records}, TokenKind.BEARER)
            if parent is None:
                return None
            session, record = _mint(parent.principal, TokenKind.SESSION, self._clock.now_ns(), lifetime)
            ends = [ns for ns in (record.expires_ns, parent.expires_ns) if ns is not None]
            self._write((*records, msgspec.structs.replace(record, expires_ns=min(ends), parent=parent.id)))
        return session

    def redeem(self, token: str) -> Principal | None:
        """Use up a sign-in token; None when it is unknown, expired, or was used before, by any process."""
        with changing(self._path):
            records = self._unexpired()
            record = _matching(token, {record.id: record for record in records}, TokenKind.SIGN_IN)
            if record is None:
                return None
            self._write(tuple(other for other in records if other.id != record.id))
        return record.principal

    def records(self) -> tuple[TokenRecord, ...]:
        """Return what is kept of every token that has not expired, oldest first."""
        return self._unexpired()

    def revoke(self, token_id: str) -> bool:
        """Forget a token, and the sessions that rest on it; False when there is none with this id."""
        with changing(self._path):
            records = self._unexpired()
            kept = tuple(record for record in records if token_id not in (record.id, record.parent))
            self._write(kept)
        return len(kept) < len(records)

    def _look(self) -> None:
        self._next_look = time.monotonic() + self._recheck_seconds  # first: a change that is made meanwhile undoes it
        seen = _fingerprint(self._path)
        if seen != self._seen:
            self._by_id = {record.id: record for record in self._read()}
            self._verified.clear()
            self._seen = seen

    def _remember(self, token: str, kind: TokenKind) -> tuple[Principal, int] | None:
        record = _matching(token, self._by_id, kind)
        if record is None:
            return None
        never = 2**63
        known = (record.principal, never if record.expires_ns is None else record.expires_ns)
        self._verified[token, kind] = known
        return known

    def _unexpired(self) -> tuple[TokenRecord, ...]:
        now_ns = self._clock.now_ns()
        return tuple(record for record in self._read() if record.expires_ns is None or now_ns < record.expires_ns)

    def _read(self) -> tuple[TokenRecord, ...]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_File).tokens
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigError(f"cannot read the tokens in {self._path}: {error}; restore it or move it away") from error

    def _write(self, records: tuple[TokenRecord, ...]) -> None:
        write_private(self._path, msgspec.json.format(msgspec.json.encode(_File(tokens=records)), indent=1))
        self._seen = None
        self._next_look = float("-inf")


def token_store(data_dir: Path) -> TokenStore:
    """Return the tokens of a data folder."""
    return TokenStore(data_dir / "security" / "tokens.json")


def ensure_owner_token(data_dir: Path) -> Path:
    """Return the file with the owner's token; made, with the token, at the first start.

    The file may be moved away after that: it is not made again while the owner's token is valid.
    """
    store, path = token_store(data_dir), data_dir / "security" / "owner.token"
    if not any(record.kind is TokenKind.BEARER and record.principal == owner() for record in store.records()):
        token, record = _mint(owner(), TokenKind.BEARER, SystemClock().now_ns(), None)
        write_private(path, f"{token}\n".encode())
        store.add(record)
    return path


def _mint(principal: Principal, kind: TokenKind, now_ns: int, lifetime: timedelta | None) -> tuple[str, TokenRecord]:
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    expires_ns = None if lifetime is None else now_ns + lifetime // timedelta(microseconds=1) * 1_000
    record = TokenRecord(
        token_id,
        principal.name,
        kind,
        _digest(secret),
        principal.tenants,
        principal.permissions,
        now_ns,
        expires_ns,
    )
    return f"{PREFIX}_{token_id}_{secret}", record


def _matching(token: str, by_id: dict[str, TokenRecord], kind: TokenKind) -> TokenRecord | None:
    prefix, _, rest = token.partition("_")
    token_id, _, secret = rest.partition("_")
    record = by_id.get(token_id)
    if prefix != PREFIX or record is None or record.kind is not kind:
        return None
    return record if hmac.compare_digest(record.digest, _digest(secret)) else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
