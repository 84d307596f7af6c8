"""Tables as readers see them, beside a writer that goes on writing. Needs the extra `history`."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from deltalake import DeltaTable

from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.historian.complaints import Complaints

ATTEMPTS = 3
PAUSE_SECONDS = 0.1

_Found = TypeVar("_Found")


def opened(path: Path) -> DeltaTable | None:
    """Return a table as it stands; None where there is none yet."""
    return DeltaTable(path) if path.is_dir() and DeltaTable.is_deltatable(str(path)) else None


def days_of(table: DeltaTable) -> list[date]:
    """Return the days that have rows, in order."""
    return sorted(set(table.get_add_actions(flatten=True).column("partition.day").to_pylist()))


def read(path: Path, attempt: Callable[[], _Found]) -> _Found:
    """Make an attempt to open and read; where the writer put aside what was read just then, another one.

    Raises UnavailableError where none of a few succeeds.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            with Complaints(path, "read"):
                return attempt()
        except UnavailableError:
            time.sleep(PAUSE_SECONDS)
    with Complaints(path, "read"):
        return attempt()
