"""What a process keeps telling in a small file, for `status` and `doctor`: it matters most while the bus is down."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import anyio
import msgspec

EVERY_SECONDS = 2.0
STALE_SECONDS = 15.0

Told = TypeVar("Told")


class _File(msgspec.Struct, Generic[Told], frozen=True):
    at: float
    told: Told


async def keep_told(path: Path, told: Callable[[], object]) -> None:
    """Leave what there is to tell for others to read, until cancelled. A full disk costs the file, nothing else."""
    while True:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".draft")
            draft.write_bytes(msgspec.json.encode(_File(time.time(), told())))
            draft.replace(path)
        await anyio.sleep(EVERY_SECONDS)


def read_told(path: Path, shape: type[Told]) -> Told | None:
    """Return what was told; None where no process keeps telling."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File[shape])  # type: ignore[valid-type]  # a type at run time
    except (OSError, msgspec.MsgspecError):
        return None
    return found.told if time.time() - found.at < STALE_SECONDS else None
