"""References to secrets: configuration says where a secret is, never what it is."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from iot_edge_anomaly.core.errors import ConfigError


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a secret is found: `{ env = "NAME" }` or `{ file = "path" }`. Holds no secret, so it may be printed."""

    env: Annotated[str | None, Meta(description="Name of an environment variable.")] = None
    file: Annotated[str | None, Meta(description="Path of a file that holds nothing else.")] = None

    def __post_init__(self) -> None:
        if (self.env is None) == (self.file is None):
            raise ValueError('a secret reads { env = "NAME" } or { file = "path" }, one of the two')

    def resolve(self) -> str:
        """Return the secret, without the line end of a file. Raises ConfigError naming what is missing."""
        if self.env is not None:
            return _from_environment(self.env)
        assert self.file is not None
        return _from_file(Path(self.file).expanduser())


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError(f"the environment variable {name} is empty or not set; set it to the secret")
    return value


def _from_file(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the secret file {path}: {error}") from error
    if not value:
        raise ConfigError(f"the secret file {path} is empty; write the secret into it")
    return value
