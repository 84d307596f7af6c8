"""`lineage`: where an alarm comes from, drawn as a tree."""

import asyncio
import math
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from iot_edge_anomaly.cli.alarms import AlarmId, asset_of
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import opened
from iot_edge_anomaly.core.messages import UNNUMBERED, Quality
from iot_edge_anomaly.operations.lineage import Cell, Lineage, ModelFacts, Reading, SourceRange
from iot_edge_anomaly.operations.replays import Replays

MOST_CELLS = 12
"""So many values of a row are drawn, those with the largest share first; `--json` has all."""


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command()(lineage)


def lineage(alarm: AlarmId, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show where an alarm comes from: the readings, what was done to them, the model, the settings.

    Worked out from what was sealed of the alarm, so also when the readings are long gone.

    Example: iot-edge-anomaly lineage A36cb2fffecb6
    """
    found = asyncio.run(_lineage(data_dir, alarm))
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        Console().print(drawn(found))


async def _lineage(data_dir: Path, alarm_id: str) -> Lineage:
    async with opened(data_dir) as session:
        return await Replays(session.bus).lineage(session.who, await asset_of(session, alarm_id), alarm_id)


def drawn(found: Lineage) -> Tree:
    """Return the tree of an alarm."""
    alarm = found.alarm
    tree = Tree(f"[bold]{escape(alarm.alarm_id)}[/bold] {escape(found.asset)}: {escape(alarm.reason)}")
    if found.row_ns:
        row = tree.add(f"the row of {_at(found.row_ns)}, score {found.score:.2f} against {alarm.threshold:g}")
        for cell in found.cells[:MOST_CELLS]:
            row.add(_cell(cell, found.row_ns))
        if len(found.cells) > MOST_CELLS:
            row.add(f"and {len(found.cells) - MOST_CELLS} values more, see --json")
    else:
        tree.add(f"no row: raised at {_at(alarm.time_ns)} by what did not come")
    _draw_input(tree, found)
    if found.told:
        told = tree.add("people were told meanwhile")
        for notice in found.told:
            told.add(f"{_at(notice.time_ns)} {escape(notice.text)}")
    tree.add(_model(found.model) if found.model else "no model: limits and watches need none")
    settings = tree.add(f"configuration {escape(found.version) or 'without a version'}")
    for name, value in found.settings.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for part, said in parts:
            settings.add(escape(f"{name}{'.' if part else ''}{part} = {msgspec.json.encode(said).decode()}"))
    if not found.settings:
        settings.add("the defaults")
    tree.add(f"prove it: iot-edge-anomaly replay-alarm {escape(alarm.alarm_id)}")
    return tree


def _draw_input(tree: Tree, found: Lineage) -> None:
    where = f"messages {found.first_seq} to {found.last_seq} of READINGS, partition {found.partition}"
    since = f"since checkpoint {found.state[:19]}" if found.state else "from the beginning on"
    branch = tree.add(f"{found.messages} {where}, {since}")
    for source in found.sources:
        part = branch.add(_source(source))
        for reason, count in source.set_aside.items():
            part.add(f"{count} set aside: {escape(reason)}")


def _cell(cell: Cell, row_ns: int) -> str:
    value = "-" if cell.value is None else f"{cell.value:.6g}"
    expected = "" if cell.expected is None else f", expected {cell.expected:.6g}"
    return escape(f"{cell.share:4.0%} {cell.sensor} {value}{expected}: {_origin(cell, row_ns)}")


def _origin(cell: Cell, row_ns: int) -> str:
    if cell.reading is not None:
        sent = "" if cell.how == "read" else f", sent as {cell.reading.value:.6g}"
        note = f" ({cell.note})" if cell.note else ""
        return f"{cell.how}{sent} by {_reading(cell.reading)}{note}"
    if cell.how == "held":
        return f"held for {(row_ns - cell.since_ns) / 1e9:.6g} s, last read at {_at(cell.since_ns)}"
    return f"{cell.how}: {cell.note}"


def _reading(reading: Reading) -> str:
    number = "" if reading.sequence == UNNUMBERED else f", epoch {reading.epoch}, number {reading.sequence}"
    quality = "" if reading.quality >= Quality.GOOD else f", quality {reading.quality}"
    return f"{reading.source}{number}, at {_at(reading.time_ns)}{quality}"


def _source(source: SourceRange) -> str:
    numbers = "not numbered"
    if source.sequences is not None:
        numbers = f"epoch {', '.join(map(str, source.epochs))}, numbers {source.sequences[0]} to {source.sequences[1]}"
    span = f", of {_at(source.first_ns)} to {_at(source.last_ns)}" if source.last_ns else ""
    return escape(f"{source.source}: {source.values} values in {source.batches} batches, {numbers}{span}")


def _model(model: ModelFacts) -> str:
    span = f" of {_at(model.first_ns)} to {_at(model.last_ns)}" if model.last_ns else ""
    remarks = f"; {model.remarks}" if model.remarks else ""
    budget = f"{model.false_alarms_per_week:g} false alarms a week at most"
    return escape(f"model {model.digest}: {model.detector}, learned from {model.rows} rows{span}, {budget}{remarks}")


def _at(time_ns: int) -> str:
    """Write a time, UTC, to the millisecond where it has any.

    >>> _at(1_767_571_200_250_000_000), _at(1_767_571_200_000_000_000)
    ('2026-01-05 00:00:00.250', '2026-01-05 00:00:00')
    """
    seconds, rest = divmod(time_ns, 1_000_000_000)
    shown = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{shown}.{math.floor(rest / 1e6):03}" if rest else shown
