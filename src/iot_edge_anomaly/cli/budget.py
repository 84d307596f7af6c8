"""`budget`: false alarms, promised and realised."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import opened
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.pipeline.settings import promised_per_week
from iot_edge_anomaly.security.principal import EVERY_TENANT
from iot_edge_anomaly.views.budget import Budget, BudgetLine, budget
from iot_edge_anomaly.views.promise import WEEKS, Promise, broken, promises
from iot_edge_anomaly.views.records import JudgedAlarm

WEEK_NS = 7 * 86_400 * 1_000_000_000


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command("budget")(show_budget)


def show_budget(
    weeks: Annotated[int, typer.Option(min=1, max=520, help="Over how many weeks up to now.")] = 4,
    asset: Annotated[
        str,
        typer.Option(help="Of one asset, or of all whose full names begin so.", autocompletion=complete.assets),
    ] = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Hold learned alarms that were judged wrong against the false alarms that were promised.

    A learned alarm that nobody judged may be false too: `at most` counts it. Give verdicts with `feedback`. Where more
    alarms of the last four weeks were not called right than chance explains, it is said that the promise is broken.

    Example: iot-edge-anomaly budget --weeks 8
    """
    found, judged, held = asyncio.run(_budget(data_dir, weeks, asset))
    if as_json:
        told = {"fleet": found.fleet, "assets": found.assets, "feedback": judged, "promises": held}
        typer.echo(msgspec.json.encode(told))
        return
    columns = ("asset; figures a week", "promised", "wrong", "at most", "right")
    Console().print(table(columns, map(_shown, (*found.assets, found.fleet)), show_lines=True))
    for promise in broken(held):
        typer.echo(f"{promise.key}: promise {promise.state}: {promise.words} that nobody called right")
    for one in judged[:20]:
        said = "right" if one.verdict.was_right else "wrong"
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.verdict.at_ns / 1e9))
        typer.echo(f"{one.alarm_id} of {one.key} was {said}, said {one.verdict.by} at {at}. {one.verdict.note}".strip())


async def _budget(data_dir: Path, weeks: int, prefix: str) -> tuple[Budget, list[JudgedAlarm], list[Promise]]:
    until = time.time_ns()
    span = (EVERY_TENANT, until - weeks * WEEK_NS, until, prefix)
    async with opened(data_dir) as session:
        learned = await asyncio.to_thread(session.records.learned, *span)
        judged = await asyncio.to_thread(session.records.judged, *span)
        lately = await asyncio.to_thread(
            session.records.learned_since_model, EVERY_TENANT, until - WEEKS * WEEK_NS, until, prefix
        )
        plant = session.plant

        def promised(key: AssetKey) -> float:
            return promised_per_week(plant.settings(key))

        return budget(learned, promised), judged, list(promises(lately, promised).values())


def _shown(line: BudgetLine) -> tuple[str, ...]:
    spread = "" if line.interval is None else f" (95 %: {line.interval.low:.2f} to {line.interval.high:.2f} a week)"
    return (
        f"{'all, each' if line.key is None else line.key}\n{line.words}{spread}",
        f"{line.promised_per_week:.2f}",
        "" if line.wrong_per_week is None else f"{line.wrong_per_week:.2f}",
        "" if line.most_per_week is None else f"{line.most_per_week:.2f}",
        str(line.right),
    )
