"""A CSV file: read once, as fast as it is taken or row by row at an interval."""

import math
from pathlib import Path

import anyio
import msgspec

from iot_edge_anomaly.component.connector import ConnectorSpec, Intake
from iot_edge_anomaly.connectors.csv_blocks import Block, blocks, source_of
from iot_edge_anomaly.connectors.rows import Columns
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey


class CsvSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="csv"):
    """A file, the asset it is of, and the pause after every 100 rows (`interval`, in seconds).

    Where the file's time is a count of rows, they are `row_seconds` apart.
    """

    path: str
    asset: str
    interval: float = 0.0
    row_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.interval < math.inf:
            raise ValueError("interval must not be negative")
        if not 0 < self.row_seconds < 1e6:
            raise ValueError("row_seconds must be above 0 and below a million")
        try:
            AssetKey.parse(self.asset)
        except RejectedError as error:
            raise ValueError(str(error)) from error


class CsvConnector:
    """Numbers blocks by the file's content: reading the same file again counts once."""

    def __init__(self, settings: CsvSettings) -> None:
        self._settings = settings
        self._key = AssetKey.parse(settings.asset)
        self._path = Path(settings.path).expanduser()

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Read the file, then idle until cancelled. Raises ConfigError when it cannot be read."""
        source = await anyio.to_thread.run_sync(source_of, self._path)
        following = blocks(self._path, self._settings.row_seconds)
        while block := await anyio.to_thread.run_sync(next, following, None):
            await intake.accept([self._batch(block, source, clock.now_ns())])
            await anyio.sleep(self._settings.interval)
        await anyio.sleep_forever()

    def _batch(self, block: Block, source: str, received_ns: int) -> Batch:
        columns = Columns(received_ns, live=False)
        for number, row in enumerate(block.rows, block.first):
            columns.add(number, row)
        return columns.batch(self._key, source, 0, block.sequence)


SPEC = ConnectorSpec("csv", CsvSettings, CsvConnector)
