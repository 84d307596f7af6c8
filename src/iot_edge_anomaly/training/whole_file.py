"""Write a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

from iot_edge_anomaly.core.errors import ConfigError


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to; it takes its name only when the block ends well. Raises ConfigError if it cannot be."""
    try:
        target = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        with target:
            yield cast(BinaryIO, target)
        Path(target.name).chmod(0o666 & ~_umask())
        Path(target.name).replace(path)
    except BaseException:
        Path(target.name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
