"""What the streams tell, and what is kept of it, held against the same built from scratch."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import polars
from deltalake import DeltaTable, QueryBuilder
from sqlalchemy import select

from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.historian.schema import SCHEMAS
from iot_edge_anomaly.historian.settings import HistorySettings
from iot_edge_anomaly.historian.store import application
from iot_edge_anomaly.historian.write import keep_history
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.storage.database import open_database, reading
from iot_edge_anomaly.views.keep import keep_records
from iot_edge_anomaly.views.settings import ViewsSettings
from iot_edge_anomaly.views.tables import POSITIONS, TABLES

ORDER = {
    "readings": ("asset", "time_ns", "sensor", "source", "epoch", "sequence"),
    "scores": ("asset", "time_ns"),
    "alarms": ("asset", "time_ns", "alarm", "event", "before", "after"),
    "corrections": ("asset", "time_ns", "kind", "sensor", "source", "text", "about_ns"),
}
"""By which columns the rows of a table are put in order: in the tables they stand as they were written."""

Kept = Mapping[str, list[tuple[Any, ...]]]


async def transitions(bus: Bus, partitions: int) -> list[Posting]:
    """Return every transition of every alarm, partition by partition in the order of the stream."""
    found: list[Posting] = []
    for partition in range(partitions):
        position = 0
        while messages := await bus.read(OUTCOMES, outcomes_subject(partition), position + 1):
            position = messages[-1].seq
            for message in messages:
                outcomes = decode_commit(message.data).assets
                events = ((outcome.key, event) for outcome in outcomes for event in outcome.alarms)
                found += [Posting(*one, partition, message.seq, number) for number, one in enumerate(events)]
    return found


async def ends(bus: Bus, stream: str, partitions: int) -> dict[int, int]:
    """Return the last message of each partition that has any."""
    subject = outcomes_subject if stream == OUTCOMES else readings_subject
    last = {partition: await bus.last(stream, subject(partition)) for partition in range(partitions)}
    return {partition: message.seq for partition, message in last.items() if message is not None}


async def at_rest(bus: Bus, partitions: int, quiet_seconds: float, patience_seconds: float) -> None:
    """Return once nothing new has come into the streams for a while. Raises TimeoutError."""
    before, since = None, time.monotonic()
    async with asyncio.timeout(patience_seconds):
        while before is None or time.monotonic() - since < quiet_seconds:
            now = [await ends(bus, stream, partitions) for stream in (READINGS, OUTCOMES)]
            if now != before:
                before, since = now, time.monotonic()
            await asyncio.sleep(0.2)


def view_rows(path: Path) -> Kept:
    """Return every row of every table of a view database."""
    with reading(open_database(path)) as connection:
        tables = TABLES.sorted_tables
        return {table.name: sorted(tuple(row) for row in connection.execute(select(table))) for table in tables}


def view_positions(path: Path) -> dict[int, int]:
    """Return how far a view database reaches."""
    with reading(open_database(path)) as connection:
        statement = select(POSITIONS.c.partition, POSITIONS.c.position)
        return {row.partition: row.position for row in connection.execute(statement)}


def history_rows(folder: Path) -> dict[str, polars.DataFrame]:
    """Return every row of every table of a history, in an order that does not depend on how it was written."""
    return {name: _rows(folder / name).sort(ORDER[name]) for name in SCHEMAS}


def history_positions(folder: Path, table: str, names: Mapping[int, str]) -> dict[int, int]:
    """Return up to where a table says that it reaches in its stream; `names` are those of `writers`."""
    if not DeltaTable.is_deltatable(str(folder / table)):
        return {}
    found = DeltaTable(folder / table)
    return {partition: found.transaction_version(name) or 0 for partition, name in names.items()}


async def writers(bus: Bus, stream: str, partitions: int) -> dict[int, str]:
    """Return under which name history notes its place in each partition of a stream."""
    created = str((await bus.stream_info(stream))["created"])
    return {partition: application(stream, created, partition) for partition in range(partitions)}


def _rows(path: Path) -> polars.DataFrame:
    found = QueryBuilder().register("found", DeltaTable(path)).execute("select * from found")
    return polars.DataFrame(found)


async def rebuilt(bus: Bus, partitions: int, folder: Path, patience_seconds: float) -> tuple[Path, Path]:
    """Build view database and history from the streams; return where they are. Raises TimeoutError."""
    database, history = folder / "views.db", folder / "history"
    settings = HistorySettings(flush_seconds=0.5)
    waits = await waits_for(bus, partitions, database, history)
    async with (
        asyncio.timeout(patience_seconds),
        beside(
            keep_records(bus, partitions, database, ViewsSettings().keep_days),
            keep_history(bus, partitions, history, settings),
        ),
    ):
        await asyncio.gather(*waits.values())
    return database, history


async def waits_for(bus: Bus, partitions: int, database: Path, history: Path) -> dict[str, Awaitable[None]]:
    """Return waits until what is kept has come to where the streams end now."""
    outcomes, readings = [await ends(bus, stream, partitions) for stream in (OUTCOMES, READINGS)]
    of_outcomes, of_readings = [await writers(bus, stream, partitions) for stream in (OUTCOMES, READINGS)]
    return {
        "the view database": _until(lambda: view_positions(database), outcomes),
        "the history of scores": _until(lambda: history_positions(history, "scores", of_outcomes), outcomes),
        "the history of readings": _until(lambda: history_positions(history, "readings", of_readings), readings),
    }


async def _until(positions: Callable[[], Mapping[int, int]], wanted: Mapping[int, int]) -> None:
    while True:
        try:
            found = await asyncio.to_thread(positions)
        except UnavailableError:
            found = {}
        if all(found.get(partition, 0) >= seq for partition, seq in wanted.items()):
            return
        await asyncio.sleep(0.2)


def differences(kept: tuple[Path, Path], built: tuple[Path, Path]) -> list[str]:
    """Return in which tables of view database and history what was kept differs from what was built, and how."""
    views, wanted = view_rows(kept[0]), view_rows(built[0])
    wrong = [
        f"view database: {name} differs from a rebuild: {_named(views[name], wanted[name])}"
        for name in wanted
        if views[name] != wanted[name]
    ]
    tables, anew = history_rows(kept[1]), history_rows(built[1])
    for name, frame in anew.items():
        if not tables[name].equals(frame):
            wrong.append(f"history: {name} has {tables[name].height} rows and differs from a rebuild of {frame.height}")
    return wrong


def _named(kept: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> str:
    extra, missing = [row for row in kept if row not in wanted], [row for row in wanted if row not in kept]
    return f"{len(kept)} rows, {len(wanted)} of the rebuild; for example {extra[:1]} and not {missing[:1]}"
