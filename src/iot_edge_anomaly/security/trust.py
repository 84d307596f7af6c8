"""Whose certificates are trusted."""

import ssl

from iot_edge_anomaly.core.errors import ConfigError


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that verifies the other side: by a file of authorities, or as the system does.

    Raises ConfigError when the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"cannot use ca_file {ca_file}: {error}") from error
