"""What a step has concluded for one asset so far."""

from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from iot_edge_anomaly.core.errors import OverloadError
from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.outcomes import (
    AlarmEvent,
    AssetOutcome,
    FitRequest,
    Notice,
    Rows,
    SourceCount,
    rows_dropped,
)
from iot_edge_anomaly.pipeline.state import Asset

MOST_ROW_BYTES = 64 << 20
"""So many bytes of rows a step may hold, over all assets."""

_COLUMNS = ("time_ns", "value", "score", "quality", "expected", "contribution")
_ROW_BYTES, _CELL_BYTES = 17, 16


@dataclass
class Count:
    """What became of the values of one source; see `core.outcomes.SourceCount`."""

    accepted: int = 0
    used: int = 0
    duplicate: int = 0
    late: int = 0
    set_aside: int = 0
    held: int = 0
    gaps: int = 0


@dataclass
class Room:
    """How many bytes of rows a step may yet hold, over all assets; whether it leaves out those beyond, or gives up."""

    bytes_left: int = MOST_ROW_BYTES
    leaves_out: bool = False


@dataclass
class Draft:
    """The outcome of one asset while a step is under way."""

    counts: dict[str, Count] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    alarms: list[AlarmEvent] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    set_aside: list[tuple[str, SetAside]] = field(default_factory=list)
    fit_request: FitRequest | None = None
    room: Room = field(default_factory=Room)
    rows_left_out: int = 0

    def count(self, source: str) -> Count:
        """Return the counts of a source."""
        return self.counts.setdefault(source, Count())

    def put_aside(self, source: str, record: SetAside) -> None:
        """Keep a record that could not be used."""
        self.set_aside.append((source, record))
        self.count(source).set_aside += record.count

    def has_room(self, rows: int, sensors: tuple[str, ...]) -> bool:
        """Take room for rows that follow; where there is none, count them as left out. Raises OverloadError."""
        self.room.bytes_left -= rows * (_ROW_BYTES + _CELL_BYTES * len(sensors)) + sum(map(len, sensors))
        if self.room.bytes_left >= 0:
            return True
        if not self.room.leaves_out:
            raise OverloadError("the rows of this step are too many to hold at once: give it fewer messages")
        self.rows_left_out += rows
        return False

    def outcomes(self, asset: Asset) -> list[AssetOutcome]:
        """Return what was concluded: nothing, one outcome, or several where the sensors changed on the way."""
        if not (self.counts or self.rows or self.alarms or self.notices):
            return []
        if self.rows_left_out:
            self.notices.append(rows_dropped(self.rows_left_out, len(asset.sensors), asset.closed_ns))
        blocks = _merged(self.rows)
        first = AssetOutcome(
            asset.key.tenant,
            asset.key.asset,
            asset.phase,
            asset.progress,
            tuple(SourceCount(source, **vars(count)) for source, count in self.counts.items()),
            blocks[0] if blocks else None,
            tuple(self.alarms),
            tuple(self.notices),
            tuple(self.set_aside),
            self.fit_request,
            asset.alarm_level,
        )
        nothing_else = AssetOutcome(
            asset.key.tenant, asset.key.asset, asset.phase, asset.progress, alarm_level=asset.alarm_level
        )
        return [first, *(msgspec.structs.replace(nothing_else, rows=rows) for rows in blocks[1:])]


def _merged(blocks: list[Rows]) -> list[Rows]:
    """Join rows that follow each other and are of the same sensors, phase, model and grid."""
    alike = groupby(blocks, key=lambda rows: (rows.sensors, rows.phase, rows.model, rows.grid_ns))
    return [_joined(list(group)) for _, group in alike]


def _joined(blocks: list[Rows]) -> Rows:
    if len(blocks) == 1:
        return blocks[0]
    columns = {name: b"".join(getattr(rows, name) for rows in blocks) for name in _COLUMNS}
    return msgspec.structs.replace(blocks[0], **columns)
