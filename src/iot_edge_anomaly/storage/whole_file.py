"""Write a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes its name only if the block ends well. Raises OSError that names `path`.

    What is there and no file (a device, a pipe) is written to as it is.
    """
    is_file = path.is_file() or not path.exists()
    part = path.with_name(f".{path.name}.{os.getpid()}.part") if is_file else path
    try:
        yield part
        if is_file:
            part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if is_file:
            part.unlink(missing_ok=True)
