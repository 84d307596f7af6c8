"""Certificates of OPC UA: reading this program's own, and refusing servers that nobody said to trust."""

import ipaddress
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from iot_edge_anomaly.core.errors import ConfigError, UnavailableError
from iot_edge_anomaly.security.secrets import Secret

MOST_BYTES = 1 << 20
"""A larger file is no certificate."""

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
_Read = TypeVar("_Read")


class Own(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: RSAPrivateKey

    @property
    def application_uri(self) -> str | None:
        """What the certificate says that this program is called; servers compare it."""
        try:
            names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (x509.ExtensionNotFound, ValueError):
            return None
        return next(iter(names.value.get_values_for_type(x509.UniformResourceIdentifier)), None)


def read_own(certificate: str, key: str, password: Secret | None, now: datetime) -> Own:
    """Read a certificate and its key. Raises ConfigError when they are of no use, UnavailableError when out of date."""
    own = Own(read_certificates(certificate)[0], _read_key(key, password))
    if not isinstance(own.certificate.public_key(), RSAPublicKey):
        raise ConfigError(f"cannot use {certificate}: OPC UA wants a certificate with an RSA key")
    if own.certificate.public_key() != own.key.public_key():
        raise ConfigError(f"{key} is not the private key of {certificate}")
    _check_time(own.certificate, f"the certificate in {certificate}", now)
    return own


def read_certificates(path: str) -> list[x509.Certificate]:
    """Read the certificates of a file, one at least. Raises ConfigError."""

    def read(content: bytes) -> list[x509.Certificate]:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]

    return _read(path, "certificate", read)


def check_server(certificate: x509.Certificate, trusted: Sequence[x509.Certificate], host: str, now: datetime) -> None:
    """Raise UnavailableError unless a server of this certificate is one that was said to be trusted."""
    shown = f"{certificate.subject.rfc4514_string()[:120]!r}, SHA-256 {fingerprint(certificate)}"
    _check_time(certificate, f"the certificate of the server ({shown})", now)
    if certificate in trusted:
        return
    issuer = next((authority for authority in trusted if _has_issued(authority, certificate)), None)
    if issuer is None:
        raise UnavailableError(
            f"the server is not trusted and was refused: its certificate is {shown}; "
            "if it is the right one, put it into the file that trusted names"
        )
    _check_time(issuer, f"the certificate of its issuer ({issuer.subject.rfc4514_string()[:120]!r})", now)
    if not _is_of(certificate, host):
        raise UnavailableError(
            f"the server was refused: its certificate is not one of {host} ({shown}); "
            "name the server as its certificate does, or put that very certificate into the file that trusted names"
        )


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, as other programs show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _read_key(path: str, password: Secret | None) -> RSAPrivateKey:
    secret = password.resolve().encode() if password else None

    def read(content: bytes) -> object:
        if b"-----BEGIN" in content:
            return serialization.load_pem_private_key(content, secret)
        return serialization.load_der_private_key(content, secret)

    key = _read(path, "private key", read)
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(f"cannot use {path}: OPC UA wants an RSA key")
    return key


def _read(path: str, what: str, read: Callable[[bytes], _Read]) -> _Read:
    try:
        with Path(path).expanduser().open("rb") as file:
            return read(file.read(MOST_BYTES))
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}") from error
    except _UNREADABLE as error:
        raise ConfigError(f"cannot use the {what} {path}: {str(error)[:200]}") from error


def _check_time(certificate: x509.Certificate, what: str, now: datetime) -> None:
    if certificate.not_valid_after_utc < now:
        raise UnavailableError(f"{what} has expired on {certificate.not_valid_after_utc:%Y-%m-%d}: renew it")
    if certificate.not_valid_before_utc > now:
        raise UnavailableError(f"{what} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on")


def _has_issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, InvalidSignature, *_UNREADABLE):
        return False
    return True


def _is_of(certificate: x509.Certificate, host: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        return host.lower() in [name.lower() for name in names.get_values_for_type(x509.DNSName)]
