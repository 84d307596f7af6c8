"""Write a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iot_edge_anomaly.core.errors import ConfigError


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes its name only if the block ends well. Raises ConfigError if it cannot."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
