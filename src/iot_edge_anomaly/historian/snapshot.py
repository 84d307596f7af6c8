"""A table as it stands, together with how far it holds the streams. Needs the extra `history`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from arro3.core import RecordBatchReader
from deltalake import DeltaTable

from iot_edge_anomaly.historian.gathered import STREAM_OF, TABLES_OF, application
from iot_edge_anomaly.historian.reading import opened
from iot_edge_anomaly.historian.sql import within
from iot_edge_anomaly.historian.tail import Wanted


@dataclass(frozen=True)
class Snapshot:
    """One version of a table. `places`: for each partition, up to where of its stream it holds everything."""

    delta: DeltaTable
    places: Mapping[int, int]

    def rows(self, wanted: Wanted, columns: list[str] | None = None) -> RecordBatchReader:
        """Return the wanted rows, file by file."""
        return self.delta.scan(columns, within(wanted.asset, wanted.since_ns, wanted.until_ns))


def snapshot(folder: Path, table: str, created: str, partitions: int) -> Snapshot | None:
    """Return a table as it stands; None where there is none.

    The table that tells for all tables of its stream is opened first: whatever it says, the others held before.
    """
    stream = STREAM_OF[table]
    of_all, delta = opened(folder / TABLES_OF[stream][-1]), opened(folder / table)
    if of_all is None or delta is None:
        return None
    apps = {partition: application(stream, created, partition) for partition in range(partitions)}
    places = {
        partition: max(of_all.transaction_version(app) or 0, delta.transaction_version(app) or 0)
        for partition, app in apps.items()
    }
    return Snapshot(delta, places)
