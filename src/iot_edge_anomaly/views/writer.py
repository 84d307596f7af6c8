"""Write commits into the view database: what they say and how far they reach, in one transaction.

So a kill anywhere changes nothing: either both are there or neither is, and a commit that was seen before is skipped.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Engine, insert, select

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.observability.signals import Level, Signal
from iot_edge_anomaly.storage.database import reading, writing
from iot_edge_anomaly.storage.upsert import upsert
from iot_edge_anomaly.views.alarm_rows import open_alarms, write_changes
from iot_edge_anomaly.views.entries import Entries, Place
from iot_edge_anomaly.views.gap import bridge
from iot_edge_anomaly.views.pruning import prune
from iot_edge_anomaly.views.records import DAY_NS
from iot_edge_anomaly.views.tables import DAYS, NOTICES, POSITIONS, SUMS

COMMITS = Signal("view_commits", "commits written into the view database", Level.COUNTED)
UNREADABLE = Signal("view_unreadable", "a stored commit cannot be read; left out of the view database", Level.ERROR)


class Reached(msgspec.Struct, frozen=True):
    """How far a partition has come; see `tables.POSITIONS`."""

    partition: int
    position: int = 0
    committed: int = 0
    clock_ns: int = 0
    missing_up_to: int = 0
    pruned_up_to: int = 0


class Writer:
    """Writes commits of any partition; each call is one transaction. Raises UnavailableError, FatalError (damage)."""

    def __init__(self, engine: Engine, keep_days: int) -> None:
        self._engine = engine
        self._keep_days = keep_days

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def reached(self) -> dict[int, Reached]:
        """Return how far the partitions have come that were ever written."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(POSITIONS)).mappings()
            return {row["partition"]: Reached(**row) for row in rows}

    def skip(self, partition: int, up_to: int, standing: Commit) -> None:
        """Go on behind commits that are gone; `standing` tells which alarms stand, as if one commit told of all."""
        with writing(self._engine) as connection:
            reached = _reached(connection, partition)
            entries = Entries()
            told = bridge(open_alarms(connection, partition), standing)
            entries.add(told, Place(partition, up_to, max(reached.clock_ns, told.now_ns)))
            write_changes(connection, entries.changes)
            _note(connection, msgspec.structs.replace(reached, position=up_to, missing_up_to=up_to))

    def apply(self, partition: int, messages: Sequence[Message]) -> None:
        """Write what messages of a partition say."""
        with writing(self._engine) as connection:
            reached = _reached(connection, partition)
            entries = Entries()
            for message in messages:
                if message.seq <= reached.position:
                    continue
                reached = msgspec.structs.replace(reached, position=message.seq)
                commit = _decoded(message)
                if commit is None or commit.last_seq <= reached.committed:
                    continue
                clock_ns = max(reached.clock_ns, commit.now_ns)
                if reached.clock_ns // DAY_NS < clock_ns // DAY_NS:
                    _write(connection, entries)
                    entries = Entries()
                    pruned = max(reached.pruned_up_to, prune(connection, partition, clock_ns, self._keep_days))
                    reached = msgspec.structs.replace(reached, pruned_up_to=pruned)
                reached = msgspec.structs.replace(reached, committed=commit.last_seq, clock_ns=clock_ns)
                entries.add(commit, Place(partition, message.seq, clock_ns))
            _write(connection, entries)
            _note(connection, reached)
        COMMITS.emit(len(messages))


def _reached(connection: Connection, partition: int) -> Reached:
    row = connection.execute(select(POSITIONS).where(POSITIONS.c.partition == partition)).mappings().one_or_none()
    return Reached(partition) if row is None else Reached(**row)


def _decoded(message: Message) -> Commit | None:
    try:
        return decode_commit(message.data)
    except RejectedError as error:
        UNREADABLE.emit(seq=message.seq, error=str(error))
        return None


def _write(connection: Connection, entries: Entries) -> None:
    write_changes(connection, entries.changes)
    if entries.notices:
        connection.execute(insert(NOTICES), entries.notices)
    upsert(connection, DAYS, list(entries.days.values()), sums=SUMS)


def _note(connection: Connection, reached: Reached) -> None:
    upsert(connection, POSITIONS, [msgspec.structs.asdict(reached)])
