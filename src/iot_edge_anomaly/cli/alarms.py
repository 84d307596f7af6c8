"""`alarms`, `acknowledge`, `feedback`, `replay-alarm`: what was raised, that it was seen, whether it was right, why."""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console

from iot_edge_anomaly.bus.capsule import Match, Replay
from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.session import Session, opened
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmState, Priority
from iot_edge_anomaly.operations.durations import parse_duration
from iot_edge_anomaly.operations.replays import Replays
from iot_edge_anomaly.security.principal import EVERY_TENANT
from iot_edge_anomaly.views.lookup import known_alarm
from iot_edge_anomaly.views.records import AlarmFilter, AlarmRecord

AlarmId = Annotated[str, typer.Argument(help="The alarm, as `alarms` lists it.", autocompletion=complete.alarms)]
MOST_ALARMS = 1_000


OpenAlarms = Annotated[
    list[str], typer.Argument(help="The alarms, as `alarms` lists them.", autocompletion=complete.open_alarms)
]
Note = Annotated[str, typer.Option(help="What was found, for those who read it later.")]
Verdict = Literal["", "none", "right", "wrong"]
VERDICTS: Mapping[str, Verdict] = {"": "", "none": "none", "right": "right", "wrong": "wrong"}
STATES = ("all", "open", *AlarmState)


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(alarms)
    app.command()(acknowledge)
    app.command()(feedback)
    app.command("replay-alarm")(replay_alarm)


def alarms(
    limit: Annotated[int, typer.Option(min=1, max=MOST_ALARMS, help="How many at most.")] = 20,
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = "all",
    asset: Annotated[
        str,
        typer.Option(help="Of one asset, or of all whose full names begin so.", autocompletion=complete.assets),
    ] = "",
    words: Annotated[str, typer.Option(help="Parts of asset, reason or id; all of them must occur.")] = "",
    priority: Annotated[Priority | None, typer.Option(help="Of this priority.")] = None,
    verdict: Annotated[str, typer.Option(help="Judged `right`, `wrong`, or `none`: nobody did.")] = "",
    since: Annotated[str, typer.Option(help="Raised in the last so many, such as 12h, 7d, 4w.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List alarms of months with their reasons, the newest first.

    Examples:

      iot-edge-anomaly alarms --limit 5

      iot-edge-anomaly alarms --state open --asset acme/site-1 --since 7d
    """
    wanted = AlarmFilter(
        EVERY_TENANT,
        words,
        asset,
        _states(state),
        frozenset([priority] if priority else []),
        _verdict(verdict),
        time.time_ns() - parse_duration(since) // timedelta(microseconds=1) * 1_000 if since else 0,
        limit=limit,
    )
    found = asyncio.run(_alarms(data_dir, wanted))
    if as_json:
        answer = [{"asset": str(one.alarm.key), "alarm": one.alarm.latest, "verdict": one.verdict} for one in found]
        typer.echo(msgspec.json.encode(answer))
        return
    shown = table(("alarm", "at", "asset", "state", "judged", "reason"), map(_row, found))
    Console().print(shown if found else _nothing(wanted))


def _row(record: AlarmRecord) -> tuple[str, ...]:
    raised, verdict = record.alarm.raised, record.verdict
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(raised.time_ns / 1e9))
    judged = "" if verdict is None else "right" if verdict.was_right else "wrong"
    return raised.alarm_id, at, str(record.alarm.key), record.alarm.latest.after, judged, raised.reason


def _states(named: str) -> frozenset[AlarmState]:
    if named not in STATES:
        raise ConfigError(f"there is no state {named!r}; there are {', '.join(STATES)}")
    if named == "open":
        return frozenset(AlarmState) - {AlarmState.NORMAL}
    return frozenset() if named == "all" else frozenset([AlarmState(named)])


def _verdict(named: str) -> Verdict:
    if named not in VERDICTS:
        raise ConfigError(f"there is no verdict {named!r}; there are none, right and wrong")
    return VERDICTS[named]


def _nothing(wanted: AlarmFilter) -> str:
    return "no alarms so far" if wanted == AlarmFilter(EVERY_TENANT, limit=wanted.limit) else "no alarms like that"


async def _alarms(data_dir: Path, wanted: AlarmFilter) -> list[AlarmRecord]:
    """Return alarms of the database; while that cannot be read, of those in memory where nothing is asked of them."""
    async with opened(data_dir) as session:
        try:
            return await asyncio.to_thread(session.records.alarms, wanted)
        except UnavailableError:
            if wanted != AlarmFilter(EVERY_TENANT, limit=wanted.limit):
                raise
            return [AlarmRecord(alarm) for alarm in session.plant.alarms(wanted.limit)]


def acknowledge(alarms: OpenAlarms, note: Note = "", data_dir: DataDir = DATA_DIR) -> None:
    """Say that a person has seen one alarm or several: all of them are acknowledged, or none.

    Example: iot-edge-anomaly acknowledge A36cb2fffecb6
    """
    asyncio.run(_acknowledge(data_dir, alarms, note))
    typer.echo(f"{', '.join(alarms)} {'is' if len(alarms) == 1 else 'are'} acknowledged")


async def _acknowledge(data_dir: Path, alarm_ids: list[str], note: str) -> None:
    async with opened(data_dir) as session:
        await session.operations.acknowledge_several(session.who, alarm_ids, note)


def feedback(
    alarm: AlarmId,
    verdict: Annotated[str, typer.Argument(help="`right`: something was wrong with the asset; `wrong`: nothing was.")],
    note: Note = "",
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Say whether an alarm was right; the latest verdict counts, and moves the false-alarm figures of `budget`.

    Of a score alarm it also moves the threshold of the asset: wrong raises it, right brings it back.

    Example: iot-edge-anomaly feedback A36cb2fffecb6 wrong --note "valve test"
    """
    if verdict not in ("right", "wrong"):
        raise ConfigError(f"a verdict is right or wrong, not {verdict!r}")
    asyncio.run(_feedback(data_dir, alarm, verdict == "right", note))
    typer.echo(f"{alarm} was {verdict}: noted")


async def _feedback(data_dir: Path, alarm_id: str, was_right: bool, note: str) -> None:
    async with opened(data_dir) as session:
        await session.operations.feedback(session.who, await asset_of(session, alarm_id), alarm_id, was_right, note)


async def asset_of(session: Session, alarm_id: str) -> AssetKey:
    """Return whose alarm it is. Raises RejectedError where there is none of this name."""
    found = await known_alarm(session.plant, session.records, alarm_id)
    if found is None:
        raise RejectedError(f"there is no alarm {alarm_id!r}; see: iot-edge-anomaly alarms")
    return found.key


def replay_alarm(alarm: AlarmId, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Work an alarm out again from its sealed input, model and configuration, and compare bit for bit.

    Exit code 1 if it comes out differently. Works on a copied data folder too (start it there with `up`).

    Example: iot-edge-anomaly replay-alarm A36cb2fffecb6
    """
    found = asyncio.run(_replay(data_dir, alarm))
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        typer.echo(f"{alarm}: {found.match}{f' ({found.why})' if found.why else ''}\n{found.recorded.reason}")
        for part in found.recorded.contributors:
            typer.echo(
                f"  {part.share:4.0%}  {part.sensor}: {part.actual:.4g} {part.unit}, expected {part.expected:.4g}"
            )
    if found.match not in (Match.EXACT, Match.CLOSE):
        raise typer.Exit(1)


async def _replay(data_dir: Path, alarm_id: str) -> Replay:
    async with opened(data_dir) as session:
        return await Replays(session.bus).replay(session.who, await asset_of(session, alarm_id), alarm_id)
