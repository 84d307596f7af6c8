"""What Delta Lake, Arrow and the disk complain of, as an error that says to try again. Needs the extra `history`."""

from pathlib import Path
from types import TracebackType

from deltalake.exceptions import DeltaError

from iot_edge_anomaly.core.errors import UnavailableError


class Complaints:
    """Turn complaints inside the block into UnavailableError that names the folder."""

    def __init__(self, path: Path, doing: str) -> None:
        self._path = path
        self._doing = doing

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End the block; a reader of Arrow complains with a plain `Exception`, and with nothing more special."""
        if kind is not None and (kind is Exception or issubclass(kind, (DeltaError, OSError))):
            raise UnavailableError(f"history cannot be {self._doing} ({self._path}): {error}") from error
