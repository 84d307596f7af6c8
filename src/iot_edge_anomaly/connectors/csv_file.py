"""A CSV file: read once, as fast as it is taken or row by row at an interval."""

import math
from pathlib import Path
from typing import Annotated

import anyio
import msgspec
from msgspec import Meta

from iot_edge_anomaly.component.connector import ConnectorSpec, Intake
from iot_edge_anomaly.connectors.csv_blocks import Block, blocks, source_of
from iot_edge_anomaly.connectors.rows import Columns
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey


class CsvSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="csv"):
    """A CSV file with a column of times and one a sensor, read once."""

    path: Annotated[str, Meta(description="The file, also gzipped.", examples=["pump.csv"])]
    asset: Annotated[str, Meta(description="The asset it is of.", examples=["acme/site-1/pump-1"])]
    interval: Annotated[float, Meta(description="Seconds of pause after every 100 rows.", ge=0.0)] = 0.0
    row_seconds: Annotated[
        float, Meta(description="Time from row to row where the file only counts rows.", gt=0.0, le=1e6)
    ] = 1.0

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
        self.path = Path(settings.path).expanduser()

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Read the file, then idle until cancelled. Raises ConfigError when it cannot be read."""
        source = await anyio.to_thread.run_sync(source_of, self.path)
        following = blocks(self.path, self._settings.row_seconds)
        while block := await anyio.to_thread.run_sync(next, following, None):
            await intake.accept([self.batch_of(block, source, clock.now_ns())])
            await anyio.sleep(self._settings.interval)
        await anyio.sleep_forever()

    def batch_of(self, block: Block, source: str, received_ns: int) -> Batch:
        """Return a block as readings of the asset."""
        columns = Columns(received_ns, live=False)
        for number, row in enumerate(block.rows, block.first):
            columns.add(number, row)
        return columns.batch(self._key, source, 0, block.sequence)


def first_rows(settings: CsvSettings, received_ns: int) -> Batch:
    """Return the first rows of the file as they would be read. Raises ConfigError when it cannot be, or is empty."""
    connector = CsvConnector(settings)
    block = next(blocks(connector.path, settings.row_seconds), None)
    if block is None:
        raise ConfigError(f"{connector.path} has no rows after its first line")
    return connector.batch_of(block, source_of(connector.path), received_ns)


SPEC = ConnectorSpec("csv", CsvSettings, CsvConnector)
