"""The log of a process that others write: kept small while they go on writing."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

import anyio
import structlog

log = structlog.get_logger(__name__)

MOST_LOG_BYTES = 10_000_000
"""From this size on a log is put aside (some ms of work): a process has about twice as much on disk at most."""

LOOK_SECONDS = 2.0


class LogFile:
    """`PATH`, and as `PATH.1` what was put aside last. A process that has it open need not know of this."""

    def __init__(self, path: Path, most_bytes: int = MOST_LOG_BYTES) -> None:
        self._path = path
        self._former = path.with_name(f"{path.name}.1")
        self._most_bytes = most_bytes

    def open(self) -> BinaryIO:
        """Open it as the output of a process."""
        return self._path.open("ab")  # each write goes to the end, wherever that is by then

    def tail(self, lines: int = 15) -> str:
        """Return its last lines; before the process wrote some, the last ones that were put aside."""
        found = [*_last_lines(self._former, lines), *_last_lines(self._path, lines)]
        return "\n".join(found[-lines:])

    async def keep_small(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Put aside what was written whenever it is too much, until cancelled."""
        failed = False
        while True:
            await anyio.sleep(look_seconds)
            try:
                self.put_aside_if_large()
            except OSError as error:  # a full disk: then the log does not grow either
                if not failed:
                    log.warning("a log cannot be put aside", file=str(self._path), error=str(error))
                failed = True
            else:
                failed = False

    def put_aside_if_large(self) -> None:
        """Copy its end to `PATH.1` and empty it, where it is too large. Raises OSError.

        The process goes on writing meanwhile. What it writes after the last look and before the emptying, some
        microseconds, is in neither file. Killed in between, this leaves lines in both.
        """
        draft = self._path.with_name(f"{self._path.name}.draft")
        with self._path.open("rb+") as full:
            size = os.fstat(full.fileno()).st_size
            if size <= self._most_bytes:
                return
            full.seek(size - self._most_bytes)
            full.readline()  # the rest of a line that is cut
            try:
                with draft.open("wb", buffering=0) as copy:
                    shutil.copyfileobj(full, copy)
                    draft.replace(self._former)
                    shutil.copyfileobj(full, copy)  # what came meanwhile
                    full.truncate(0)
            finally:
                draft.unlink(missing_ok=True)


def _last_lines(path: Path, count: int) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-count:] if path.exists() else []
