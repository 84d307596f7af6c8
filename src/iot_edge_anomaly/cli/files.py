"""Verbs on files: `fit`, `score`, `replay`, `benchmark`. None but `replay` needs a running system."""

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from iot_edge_anomaly.benchmark.report import format_report, write_report
from iot_edge_anomaly.benchmark.run import run_benchmark
from iot_edge_anomaly.benchmark.series import METHODS
from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.options import DATA_DIR, DataDir
from iot_edge_anomaly.cli.seasons import Season, TimeZone, followed
from iot_edge_anomaly.cli.states import SETTLE_SECONDS, JudgedStates, SettleSeconds, Shift, StateSensor, declared
from iot_edge_anomaly.connectors.replay import replay_csv
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.operations.durations import parse_duration
from iot_edge_anomaly.training.fit_file import fit_csv, parse_budget
from iot_edge_anomaly.training.score_file import score_csv

ONE_SECOND = 1.0

benchmark = typer.Typer(no_args_is_help=True, help="Measure detectors on labelled data.")


def _interval(text: str) -> float:
    """Read seconds, or a duration such as 10m."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parse_duration(text).total_seconds()
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from error
    if not 0 < seconds < math.inf:
        raise typer.BadParameter(f"{text!r}: rows are some time apart; write seconds such as 0.1, or 10m")
    return seconds


Interval = Annotated[
    float,
    typer.Option(
        "--interval",
        parser=_interval,
        metavar="TIME",
        help="Time from row to row where the timestamps only count rows (0, 1, 2, …): seconds, or such as 10m.",
        show_default="1 s",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(fit)
    app.command()(score)
    app.command()(replay)
    app.add_typer(benchmark, name="benchmark")


def fit(
    train: Annotated[Path, typer.Argument(help="CSV of normal operation: timestamp, then one column a sensor.")],
    model: Annotated[Path, typer.Option("--model", help="The model file to write (.iea).")],
    detector: Annotated[str, typer.Option(help="The method.", autocompletion=complete.detectors)] = "linear",
    false_alarms: Annotated[str, typer.Option(help="The budget, such as 1/week or 2/day.")] = "1/week",
    interval: Interval = ONE_SECOND,
    state_sensor: StateSensor = None,
    judged_states: JudgedStates = None,
    settle_seconds: SettleSeconds = SETTLE_SECONDS,
    shift: Shift = None,
    season: Season = None,
    time_zone: TimeZone = None,
) -> None:
    """Learn what is normal from a CSV file.

    Example: iot-edge-anomaly fit train.csv.gz --model pump.iea --false-alarms 1/week

    Example: iot-edge-anomaly fit counted.csv --model pump.iea --interval 10m

    Example: iot-edge-anomaly fit train.csv --model pump.iea --state-sensor mode --judged-states 1,2

    Example: iot-edge-anomaly fit weeks.csv --model pump.iea --season week --time-zone Europe/Berlin
    """
    states, budget = declared(state_sensor, judged_states, settle_seconds, shift, time_zone), parse_budget(false_alarms)
    digest, facts = fit_csv(
        train,
        model,
        detector=detector,
        false_alarms_per_week=budget,
        interval_seconds=interval,
        states=states,
        season=followed(season, time_zone, has_shifts=bool(shift)),
    )
    typer.echo(f"{model}: learned from {facts.rows} rows, one every {facts.interval_seconds:g} s; {digest}")
    if facts.remarks:
        typer.echo(f"Of these rows: {facts.remarks}")


def score(
    data: Annotated[Path, typer.Argument(help="CSV with the sensors that the model knows.")],
    model: Annotated[Path, typer.Option("--model", help="The model file (.iea).")],
    out: Annotated[Path, typer.Option("--out", help="The CSV to write: one row for each input row, in order.")],
    interval: Interval = ONE_SECOND,
) -> None:
    """Score a CSV file: above 1 is an alarm. Causal: a row depends on the rows before it only.

    Example: iot-edge-anomaly score today.csv --model pump.iea --out scores.csv
    """
    with Progress(SpinnerColumn(), TextColumn("{task.completed} rows"), TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("score", total=None)
        summary = score_csv(
            data, model, out, interval_seconds=interval, progress=lambda rows: bar.update(task, completed=rows)
        )
    typer.echo(f"{out}: {summary.rows} rows, {summary.anomalous_rows} above 1, {summary.unscored_rows} not scored")


def replay(
    data: Annotated[Path, typer.Argument(help="CSV to send: timestamp, then one column a sensor.")],
    asset: Annotated[
        str,
        typer.Option("--asset", help="The asset it is of, as tenant/.../asset.", autocompletion=complete.assets),
    ],
    to: Annotated[str, typer.Option("--to", help="Address of the API, such as http://127.0.0.1:8080.")],
    speed: Annotated[float | None, typer.Option(help="1 keeps the pace of the file; none: as fast as it goes.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="IOT_EDGE_ANOMALY_TOKEN", help="Bearer token; none: the owner's.")
    ] = None,
    interval: Interval = ONE_SECOND,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Send a CSV file to a running system as numbered batches: sending it twice doubles nothing.

    Example: iot-edge-anomaly replay pump.csv --asset acme/site-1/pump-1 --to http://127.0.0.1:8080 --speed 100

    Example: iot-edge-anomaly replay counted.csv --asset acme/site-1/pump-1 --to http://127.0.0.1:8080 --interval 10m
    """
    with Progress(SpinnerColumn(), TextColumn("{task.completed} rows"), TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("replay", total=None)
        accepted = replay_csv(
            data,
            asset,
            to,
            token or _owner_token(data_dir),
            speed,
            lambda rows: bar.update(task, completed=rows),
            row_seconds=interval,
        )
    typer.echo(f"{accepted} values were taken in")


def _owner_token(data_dir: Path) -> str:
    path = data_dir / "security" / "owner.token"
    if not path.exists():
        raise ConfigError(f"no token: give --token, or --data-dir of the running system ({path} is not there)")
    return path.read_text().strip()


@benchmark.command()
def detection(
    suite_dir: Annotated[Path, typer.Argument(help="A folder with manifest.json and CSV files, or a folder of such.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for table.csv, detection.json and detection.html.")],
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help=f"One of {', '.join(METHODS)}; may be repeated. None: all, but for peers that are not installed "
            "(extra `bench`).",
            autocompletion=complete.benchmark_methods,
        ),
    ] = None,
) -> None:
    """Run detectors and peers over labelled series: ranking, alarms at a budget of one false alarm a week, cost.

    Example: iot-edge-anomaly benchmark detection data/ --detector linear --detector moving-zscore --out results/
    """
    with Progress(TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("runs", total=None)
        found = run_benchmark(suite_dir, detector, progress=lambda done, of: bar.update(task, completed=done, total=of))
    write_report(found, out)
    typer.echo(format_report(found.report))
    typer.echo(f"written to {out}")
