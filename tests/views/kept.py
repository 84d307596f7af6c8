"""A view database in a file, filled from commits, and all that stands in it in a form that can be compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.streams import outcomes_subject
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.storage.database import build_database, open_database, reading
from iot_edge_anomaly.views.records_store import Records
from iot_edge_anomaly.views.tables import LAYOUT, TABLES
from iot_edge_anomaly.views.writer import Writer


def messages(history: Sequence[Commit], first: int = 1) -> list[Message]:
    """Commits as they stand in the stream, one sequence after the other."""
    return [
        Message(seq, outcomes_subject(commit.partition), encode_commit(commit))
        for seq, commit in enumerate(history, first)
    ]


def written(path: Path, stored: Sequence[Message], cuts: Sequence[int] = (), keep_days: int = 400) -> Writer:
    """A writer that was handed messages, cut into batches at these places."""
    writer = Writer(build_database(path, TABLES, LAYOUT), keep_days)
    ends = [*sorted(cuts), len(stored)]
    for start, end in zip([0, *ends], ends, strict=False):
        for partition in sorted({int(one.subject.rpartition(".")[2]) for one in stored[start:end]}):
            batch = [one for one in stored[start:end] if one.subject == outcomes_subject(partition)]
            writer.apply(partition, batch)
    return writer


def records(path: Path) -> Records:
    return Records(open_database(path))


def rows(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with reading(open_database(path)) as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in TABLES.sorted_tables
        }
