"""A file: one JSON line a transition, whole lines only, on the disk before the next is handed on."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

import anyio
from msgspec import Meta

from iot_edge_anomaly.component.sink import Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.sinks.settings import NAME, SinkSettings
from iot_edge_anomaly.sinks.wording import as_json

_TAIL = 4096


class FileSinkSettings(SinkSettings, frozen=True, kw_only=True, tag_field="type", tag="file"):
    """A file that alarms are written to, one JSON line each; full ones become FILE.1, FILE.2 and so on."""

    name: Annotated[str, Meta(description=NAME, examples=["alarm-log"], min_length=1)]
    path: Annotated[
        str, Meta(description="The file; its folder must be there.", examples=["/var/log/alarms.jsonl"], min_length=1)
    ]
    max_mb: Annotated[float, Meta(description="A file larger than this is full.", gt=0.0, le=1e6)] = 64.0
    keep: Annotated[int, Meta(description="How many full files are kept; older ones are deleted.", ge=0, le=10_000)] = (
        10
    )


class FileSink:
    """Opens the file anew for every batch, so that it may be moved away at any time."""

    def __init__(self, settings: FileSinkSettings) -> None:
        self._path = Path(settings.path).expanduser()
        self._most_bytes = int(settings.max_mb * (1 << 20))
        self._keep = settings.keep

    async def deliver(self, postings: Sequence[Posting]) -> None:
        """Append the transitions; of none, see that the folder is there."""
        try:
            await anyio.to_thread.run_sync(self._append, b"".join(as_json(posting) + b"\n" for posting in postings))
        except OSError as error:
            raise UnavailableError(f"cannot write {self._path}: {error.strerror or error}") from error

    def _append(self, lines: bytes) -> None:
        if not lines:
            self._path.parent.stat()
            return
        if self._path.exists() and self._path.stat().st_size >= self._most_bytes:
            self._rotate()
        is_new = not self._path.exists()
        with self._path.open("ab+", buffering=0) as file:
            _drop_half_line(file.fileno())
            _write_all(file.fileno(), lines)
        if is_new:
            _sync_folder(self._path.parent)

    def _rotate(self) -> None:
        """Move the full file away, the last step of all: after a kill in between the next call goes on."""
        for number in range(self._keep, 0, -1):
            if (full := self._numbered(number)).exists():
                if number == self._keep:
                    full.unlink()
                else:
                    full.replace(self._numbered(number + 1))
        if self._keep:
            self._path.replace(self._numbered(1))
        else:
            self._path.unlink()
        _sync_folder(self._path.parent)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _drop_half_line(file: int) -> None:
    """Cut off what a kill or a full disk left behind the last whole line: it was never said to be written."""
    end = os.fstat(file).st_size
    start = end
    while start > 0:
        before = max(start - _TAIL, 0)
        found = os.pread(file, start - before, before).rfind(b"\n")
        if found >= 0:
            start = before + found + 1
            break
        start = before
    if start < end:
        os.ftruncate(file, start)


def _write_all(file: int, data: bytes) -> None:
    """Write all of it to the disk, or take back what was written."""
    before, rest = os.fstat(file).st_size, memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file, before)
        raise


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@asynccontextmanager
async def file_sink(settings: FileSinkSettings) -> AsyncIterator[Sink]:
    """Open nothing yet."""
    yield FileSink(settings)


SPEC = SinkSpec("file", FileSinkSettings, file_sink, most=100)
