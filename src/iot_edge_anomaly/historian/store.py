"""All tables of a history and their writer's place in the streams. Needs the extra `history`."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from deltalake import DeltaTable

from iot_edge_anomaly.historian.arrow import arrow_schema, arrow_table
from iot_edge_anomaly.historian.gathered import STREAM_OF, TABLES_OF, Gathered, application
from iot_edge_anomaly.historian.schema import ALARMS, CORRECTIONS, READINGS, SCORES
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.historian.tables import TableWriter
from iot_edge_anomaly.historian.upkeep import Caretaker, Upkeep


def upkeep_of(settings: HistorySettings) -> Mapping[str, Upkeep]:
    """Return how each table is kept."""
    rows, events = Upkeep(timedelta(settings.keep_days)), Upkeep(timedelta(settings.keep_alarm_days))
    return {READINGS: rows, SCORES: rows, ALARMS: events, CORRECTIONS: events}


class Store:
    """The tables, opened for writing. `created`: when each stream was created. Raises as TableWriter does."""

    def __init__(self, folder: Path, upkeep: Mapping[str, Upkeep], created: Mapping[str, str], partitions: int) -> None:
        self._created = created
        self._partitions = partitions
        self._caretakers = {
            name: Caretaker(TableWriter(folder, name, kept.keep_removed_seconds), kept) for name, kept in upkeep.items()
        }

    def written(self) -> dict[str, dict[int, int]]:
        """Return for each table up to where of its stream it holds everything."""
        found: dict[str, dict[int, int]] = {}
        for stream, tables in TABLES_OF.items():
            of_all = self.positions(stream)
            for table in tables:
                own = self._positions(table)
                found[table] = {partition: max(own[partition], place) for partition, place in of_all.items()}
        return found

    def positions(self, stream: str) -> dict[int, int]:
        """Return up to where of a stream all of its tables hold everything."""
        return self._positions(TABLES_OF[stream][-1])

    def delta(self, table: str) -> DeltaTable:
        """Return a table as it stands."""
        return self._caretakers[table].table.delta

    def compact_all(self) -> None:
        """Write every day anew that is not sorted, whether it is due or not."""
        for caretaker in self._caretakers.values():
            caretaker.compact_all()

    def write(self, gathered: Gathered) -> None:
        """Write what was gathered, each table in one commit, and do what upkeep is due."""
        for stream, tables in TABLES_OF.items():
            if not gathered.positions[stream]:
                continue
            places = {
                application(stream, self._created[stream], partition): seq
                for partition, seq in gathered.positions[stream].items()
            }
            for table in tables:
                block = gathered.block(table)
                if block is not None:
                    self._caretakers[table].table.append(arrow_table(table, block), places)
                elif table == tables[-1]:
                    self._caretakers[table].table.append(arrow_schema(table).empty_table(), places)
                else:
                    continue
                self._caretakers[table].tend()

    def _positions(self, table: str) -> dict[int, int]:
        stream = STREAM_OF[table]
        delta = self._caretakers[table].table
        return {
            partition: delta.position(application(stream, self._created[stream], partition))
            for partition in range(self._partitions)
        }
