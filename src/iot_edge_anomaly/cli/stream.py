"""`reconcile` and `export`: proof that nothing was lost, and what the stream holds as files."""

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.ledger import Balance, reconcile
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS, outcomes_subject, readings_subject
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import opened
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.outcomes import ROW_QUALITIES, AssetOutcome


class What(StrEnum):
    """What can be exported."""

    READINGS = "readings"
    SCORES = "scores"
    ALARMS = "alarms"


class Format(StrEnum):
    """How it is written."""

    CSV = "csv"


HEADERS = {
    What.READINGS: ("asset", "source", "epoch", "sequence", "time_ns", "sensor", "value", "quality"),
    What.SCORES: ("asset", "time_ns", "score", "quality", "phase", "model"),
    What.ALARMS: ("asset", "alarm", "incident", "condition", "event", "before", "after", "time_ns", "score", "reason"),
}


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("reconcile")(show_balance)
    app.command()(export)


def show_balance(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Prove that nothing is lost or doubled: for each source, accepted = used + duplicate + late + set aside + held.

    Exit code 1 if a line does not balance.

    Example: iot-edge-anomaly reconcile --json
    """
    balance = asyncio.run(_balance(data_dir))
    if as_json:
        typer.echo(msgspec.json.encode(balance))
    else:
        columns = ("asset", "source", "accepted", "used", "duplicate", "late", "set aside", "held", "gaps", "balanced")
        table = Table(*columns)
        for line in balance.lines:
            numbers = (line.accepted, line.used, line.duplicate, line.late, line.set_aside, line.held, line.gaps)
            table.add_row(line.asset, line.source, *map(str, numbers), "yes" if line.is_balanced else "NO")
        Console().print(table)
        typer.echo(f"balanced: {'yes' if balance.is_balanced else 'NO'}; {balance.waiting_messages} messages wait")
    if not balance.is_balanced:
        raise typer.Exit(1)


async def _balance(data_dir: Path) -> Balance:
    async with opened(data_dir) as session:
        return await reconcile(session.bus, session.address.partitions)


def export(
    what: What,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.CSV,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write what the stream holds of readings, scores or alarms.

    Example: iot-edge-anomaly export alarms --format csv --out alarms.csv
    """
    count = asyncio.run(_export(data_dir, what, out))
    typer.echo(f"{count} rows of {what} are in {out} ({form})")


async def _export(data_dir: Path, what: What, out: Path) -> int:
    count = 0
    async with opened(data_dir) as session:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADERS[what])
            for partition in range(session.address.partitions):
                async for rows in _rows(session.bus, what, partition):
                    writer.writerows(rows)
                    count += len(rows)
    return count


async def _rows(bus: Bus, what: What, partition: int) -> AsyncIterator[list[Sequence[object]]]:
    is_input = what is What.READINGS
    stream = READINGS if is_input else OUTCOMES
    subject = readings_subject(partition) if is_input else outcomes_subject(partition)
    position = 0
    while messages := await bus.read(stream, subject, position + 1):
        position = messages[-1].seq
        for message in messages:
            if is_input:
                items = decode_envelope(message.data, message.seq).items
                yield [row for item in items if isinstance(item, Batch) for row in _readings(item)]
            else:
                of = _scores if what is What.SCORES else _alarms
                yield [row for outcome in decode_commit(message.data).assets for row in of(outcome)]


def _readings(batch: Batch) -> list[Sequence[object]]:
    head = (str(batch.key), batch.source, batch.epoch, batch.sequence)
    columns = zip(
        batch.times().tolist(),
        batch.sensor_indices().tolist(),
        batch.values().tolist(),
        batch.qualities().tolist(),
        strict=True,
    )
    return [(*head, time_ns, batch.sensors[sensor], value, quality) for time_ns, sensor, value, quality in columns]


def _scores(outcome: AssetOutcome) -> list[Sequence[object]]:
    rows = outcome.rows
    if rows is None:
        return []
    columns = zip(rows.times().tolist(), rows.scores().tolist(), rows.qualities().tolist(), strict=True)
    return [
        (str(outcome.key), time_ns, score, ROW_QUALITIES[quality], rows.phase, rows.model)
        for time_ns, score, quality in columns
    ]


def _alarms(outcome: AssetOutcome) -> list[Sequence[object]]:
    return [
        (
            str(outcome.key),
            event.alarm_id,
            event.incident_id,
            event.condition,
            event.event,
            event.before,
            event.after,
            event.time_ns,
            event.score,
            event.reason,
        )
        for event in outcome.alarms
    ]
