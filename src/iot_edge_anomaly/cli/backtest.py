"""`backtest`: which alarms there would have been over rows of the past, before anything is switched on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from iot_edge_anomaly.backtest.alarms import PastAlarm
from iot_edge_anomaly.backtest.known_events import judge, read_events
from iot_edge_anomaly.backtest.run import Judged, Outcome, Plan, backtest
from iot_edge_anomaly.backtest.times import Times
from iot_edge_anomaly.backtest.words import end, found, why
from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.backtest_report import Report, json_of, report, scores_written, write_rest
from iot_edge_anomaly.cli.backtest_rows import Range, Source, Told, read_time, source_of
from iot_edge_anomaly.cli.files import ONE_SECOND, Interval
from iot_edge_anomaly.cli.options import DATA_DIR, AsJson, DataDir
from iot_edge_anomaly.cli.seasons import Season, TimeZone, followed
from iot_edge_anomaly.cli.states import SETTLE_SECONDS, JudgedStates, SettleSeconds, Shift, StateSensor, declared
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.pipeline.judging import states_in
from iot_edge_anomaly.pipeline.operating import Operating
from iot_edge_anomaly.training.fit_file import parse_budget

MOST_LINES = 50
WEEK_NS = 7 * 86_400 * 1_000_000_000
AS_MANY = "learned from as many rows as the asset would; --train-rows or --train-until choose others"
NOTHING_CHANGED = "Nothing was changed. No model was registered, no alarm was sent."


def add_to(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command("backtest")(run_backtest)


def run_backtest(
    what: Annotated[
        str,
        typer.Argument(
            help="A CSV file as `fit` reads it, or an asset of the system's history: tenant/.../asset.",
            autocompletion=complete.assets,
        ),
    ],
    since: Annotated[str | None, typer.Option("--from", help="From this time on: ISO 8601; no zone: UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    train_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Learn from the first so many rows; none: as many as the asset learns from."),
    ] = None,
    train_until: Annotated[str | None, typer.Option(help="Learn from the rows before this time instead.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="The method; none: that of the asset.", autocompletion=complete.detectors)
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="The budget, such as 1/week or 2/day; none: that of the asset.")
    ] = None,
    relearn: Annotated[
        int | None,
        typer.Option(min=1, max=520, metavar="WEEKS", help="Learn anew every so many weeks, from as long a time."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="CSV of what is known to have happened: start,end,what. Were they found?")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for alarms.csv, scores.csv and backtest.html.")
    ] = None,
    interval: Interval = ONE_SECOND,
    state_sensor: StateSensor = None,
    judged_states: JudgedStates = None,
    settle_seconds: SettleSeconds = SETTLE_SECONDS,
    shift: Shift = None,
    season: Season = None,
    time_zone: TimeZone = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Treat the asset as this file says; none: as the running system does."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Say which alarms there would have been, when and why: learn from the first rows, judge the rest.

    Changes nothing: no model is registered, no alarm is sent. Of history it takes the rows that were scored, up to the
    last minute, and the settings of the asset: limits, delays, budget.

    Examples:

      iot-edge-anomaly backtest readings.csv --train-until 2026-02-01 --budget 1/week --events events.csv

      iot-edge-anomaly backtest acme/site-1/pump-1 --from 2026-01-01 --train-until 2026-02-01 --relearn 4 --out results
    """
    if train_rows is not None and train_until is not None:
        raise ConfigError("--train-rows and --train-until say the same thing in two ways: give one of them")
    taken = Told(
        declared(state_sensor, judged_states, settle_seconds, shift, time_zone),
        followed(season, time_zone, has_shifts=bool(shift)),
    )
    with _reading():
        source = source_of(what, Range(since, until), interval, config, data_dir, taken)
    plan = Plan(
        detector_spec(detector or source.profile.detector).name,
        parse_budget(budget) if budget is not None else source.profile.false_alarms_per_week,
        source.profile.alarms,
        _train_rows(source, train_rows, train_until),
        (relearn or 0) * WEEK_NS,
        source.profile.states,
        source.profile.season,
    )
    if train_rows is None and train_until is None:
        source = source._replace(notes=(*source.notes, AS_MANY))
    known = [] if events is None else read_events(events, source.times)
    with scores_written(out, source, plan) as write:
        outcome = _watched(source, plan, write)
    verdicts = judge(known, outcome.alarms, source.past.time_ns, outcome.first_ns)
    told = report(source, outcome, verdicts)
    files = [] if out is None else write_rest(out, told)
    if as_json:
        typer.echo(msgspec.json.encode(json_of(told, files)))
    else:
        _tell(told, files)


def _train_rows(source: Source, train_rows: int | None, train_until: str | None) -> int:
    times, time_ns = source.times, source.past.time_ns
    rows, first, last = len(time_ns), times.shown(int(time_ns[0])), times.shown(int(time_ns[-1]))
    there = f"{source.name} has {rows:,} rows, {first} to {last}"
    if train_until is not None:
        count = int(np.searchsorted(time_ns, read_time("--train-until", train_until, times, 0)))
        if not 0 < count < rows:
            raise ConfigError(
                f"--train-until {train_until} leaves no row to {'judge' if count else 'learn from'}; {there}"
            )
        return count
    count = train_rows or _as_many(source)
    if count >= rows:
        which = "--train-rows" if train_rows else "the asset's learn_rows"
        raise ConfigError(f"{which}: {count:,} rows to learn from leave none to judge; {there}; say --train-rows less")
    return count


def _as_many(source: Source) -> int:
    """Return after how many rows the asset would have learned: it counts those that are judged, for a season or two."""
    past, wanted = source.past, source.profile.learn_rows
    _, seen = states_in(Operating(), source.profile.states, past.sensors, past.time_ns, past.values)
    judged = np.flatnonzero(seen.is_judged)
    if source.profile.season is not None and len(judged):
        times = past.time_ns[judged]
        wanted = max(wanted, int(np.searchsorted(times, times[0] + source.profile.season.least_ns)) + 1)
    return int(judged[wanted - 1]) + 1 if len(judged) >= wanted else max(wanted, len(past.time_ns))


def _watched(source: Source, plan: Plan, write: Callable[[Judged], None]) -> Outcome:
    """Run, and show how far it is."""
    with _progress(len(source.past.time_ns) - plan.train_rows) as advance:

        def see(rows: Judged) -> None:
            write(rows)
            advance(len(rows.time_ns))

        try:
            return backtest(source.past, plan, see)
        except RejectedError as error:
            raise RejectedError(
                f"nothing can be learned from the first {plan.train_rows:,} rows of {source.name}: {error}"
            ) from error


@contextmanager
def _reading() -> Iterator[None]:
    console = Console(stderr=True)
    with console.status("reading") if console.is_terminal else nullcontext():
        yield


@contextmanager
def _progress(rows: int) -> Iterator[Callable[[int], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("learning", total=rows)
        yield lambda count: bar.update(task, advance=count, description="judging")


def _tell(told: Report, files: list[Path]) -> None:
    times, alarms = told.source.times, told.outcome.alarms
    if alarms:
        shown = table(("from, to", "priority", "peak", "why"), (_line(alarm, times) for alarm in alarms[:MOST_LINES]))
        shown.columns[0].no_wrap = shown.show_lines = True
        Console().print(shown)
    else:
        typer.echo("There would have been no alarm.")
    if len(alarms) > MOST_LINES:
        typer.echo(f"... and {len(alarms) - MOST_LINES} more; {files[0] if files else '--out DIR'} has all")
    for verdict in told.verdicts:
        typer.echo(found(verdict, times))
    for head, text in told.said().items():
        typer.echo(f"{head:<13} {text}")
    for note in told.notes():
        typer.echo(f"{'note':<13} {note}")
    if files:
        typer.echo(f"{'written':<13} {', '.join(map(str, files))}")
    typer.echo(NOTHING_CHANGED)


def _line(alarm: PastAlarm, times: Times) -> tuple[str, ...]:
    span = f"{times.shown(alarm.start_ns)}\n{end(alarm, times)}"
    return span, alarm.raised.priority, f"{alarm.peak:.3g}", "\n".join(why(alarm))
