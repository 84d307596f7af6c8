"""What was read from the streams and is not in the tables yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from iot_edge_anomaly.bus import streams
from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, Rows
from iot_edge_anomaly.historian.columns import (
    Block,
    Correction,
    alarms_block,
    corrections_block,
    corrections_of,
    readings_block,
    scores_block,
)
from iot_edge_anomaly.historian.schema import ALARMS, CORRECTIONS, READINGS, SCORES

log = structlog.get_logger(__name__)

TABLES_OF: Mapping[str, tuple[str, ...]] = {
    streams.READINGS: (READINGS,),
    streams.OUTCOMES: (ALARMS, CORRECTIONS, SCORES),
}
"""The tables that come from a stream, in the order they are written. The last one is written always: its places say
what all of them hold; another one that is ahead of it holds the rows up to its own place already."""

STREAM_OF: Mapping[str, str] = {table: stream for stream, tables in TABLES_OF.items() for table in tables}


def application(stream: str, created: str, partition: int) -> str:
    """Return the name under which a table keeps its place in a partition of a stream that was created at this time."""
    return f"{stream}.{partition}@{created}"


@dataclass
class Gathered:
    """Rows to be, and how far each partition of each stream was read for them.

    `written`: for each table that is wanted, and partition, what it holds already; rows of such messages are left out.
    """

    written: Mapping[str, Mapping[int, int]]
    size: int = 0
    unreadable: int = 0
    positions: dict[str, dict[int, int]] = field(default_factory=lambda: {stream: {} for stream in TABLES_OF})
    _batches: list[Batch] = field(default_factory=list)
    _rows: list[tuple[AssetKey, Rows]] = field(default_factory=list)
    _alarms: list[tuple[AssetKey, AlarmEvent]] = field(default_factory=list)
    _corrections: list[Correction] = field(default_factory=list)

    @property
    def has_moved(self) -> bool:
        """Whether any message was read."""
        return any(self.positions.values())

    def add(self, stream: str, partition: int, message: Message) -> None:
        """Take in a message; one that cannot be read has no rows. Raises FatalError for one of a newer program."""
        try:
            self._take(stream, partition, message)
        except RejectedError as error:
            self.unreadable += 1
            log.error(
                "a message cannot be read; history goes without", stream=stream, seq=message.seq, error=str(error)
            )
        self.positions[stream][partition] = message.seq
        self.size += len(message.data)

    def block(self, table: str) -> Block | None:
        """Return the rows for a table; None where there are none."""
        if table == READINGS:
            return readings_block(self._batches) if self._batches else None
        if table == SCORES:
            return scores_block(self._rows) if self._rows else None
        if table == ALARMS:
            return alarms_block(self._alarms) if self._alarms else None
        return corrections_block(self._corrections) if self._corrections else None

    def _take(self, stream: str, partition: int, message: Message) -> None:
        wanted = {
            table
            for table in TABLES_OF[stream]
            if table in self.written and message.seq > self.written[table].get(partition, 0)
        }
        if not wanted:
            return
        if stream == streams.READINGS:
            items = decode_envelope(message.data, message.seq).items
            self._batches += [item for item in items if isinstance(item, Batch) and item.value]
            return
        commit = decode_commit(message.data)
        if SCORES in wanted:
            self._rows += [(one.key, one.rows) for one in commit.assets if one.rows is not None and one.rows.quality]
        if ALARMS in wanted:
            self._alarms += [(one.key, alarm) for one in commit.assets for alarm in one.alarms]
        if CORRECTIONS in wanted:
            self._corrections += corrections_of(commit)
